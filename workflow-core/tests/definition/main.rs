//! What `build()` finds, what a definition inherits, and what its graph looks like.
#![allow(missing_docs, clippy::unwrap_used)]

mod graph;
mod inheritance;
mod parts;
mod problems;
mod schedules;
mod several;
mod shop;
