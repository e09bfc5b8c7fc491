//! Goal: whatever happens to relays, every row of the outbox is published, none that is well-formed is lost or changed, and who
//! ends in order publishes nothing twice. Method: the relay's program on real servers, two and more processes on one database.
#![allow(missing_docs, clippy::unwrap_used)]

mod beside;
mod owners;
mod relays;
mod rows;
mod topic;
