//! One generic suite per adapter trait. Every adapter runs the whole of it, each test on a store, streamer or scheduler of
//! its own.
//!
//! A suite is a list of plain functions, one per promise; those that are named in a `# Contract` bear the clause's name.
//! A macro names them once and makes a test of each: [`store_suite`], [`streamer_suite`], [`receiver_suite`], [`relay_suite`],
//! [`scheduler_suite`] and [`clock_suite`]; [`engine_suite`] runs the engine on a store. `docs/adapters.md` tells how to write an adapter and run them.

#![allow(clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

pub mod clock;
pub mod engine;
mod flow;
mod kept;
pub mod receiver;
pub mod relay;
pub mod samples;
pub mod scheduler;
pub mod store;
pub mod streamer;
mod suite;
mod waiting;

#[doc(hidden)]
pub use suite::watched;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/adapters.md")]
mod adapters_page {}
