//! The pure part of the crate: values and rules that need no runtime.
#![allow(missing_docs, clippy::unwrap_used)]

mod cron;
mod golden_go;
mod golden_ours;
mod ids;
mod judging;
mod moves;
mod names;
mod namespaces;
mod retry;
mod run_states;
mod sample;
mod shards;
mod timestamps;
