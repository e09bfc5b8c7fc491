//! What a process tells, received as others receive it: by a collector over TCP, and as the page that Prometheus reads.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

mod away;
mod collector;
mod documented;
mod eventless;
mod metrics;
mod orders;
mod pages;
mod process;
mod trace;
