//! The scheduler on a real etcd.

#![allow(clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

mod binding;
mod conformance;
mod faults;
mod frozen;
mod login;
mod placement;
mod proxy;
mod reply_lost;
mod server;
mod shards;
mod support;
