//! Goal: who has lost its role stores nothing, and nothing is lost or done twice, whatever happens to owners and servers.
//! Method: the programs of the full stack on real servers, which the tests stop, kill and take away.
#![allow(missing_docs, clippy::unwrap_used)]

mod database;
#[path = "../../../../store-sql/tests/servers/mod.rs"]
mod databases;
mod etcd;
mod frozen;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../../../../scheduler-etcd/tests/etcd/server.rs"]
mod server;
mod stack;
mod support;
mod writes;
