//! Goal: whatever happens to the brokers and to what is on them, every run comes to its end, each transition once, and no event is
//! lost. Method: the whole way of a run, a worker, the relay's own program, a database, etcd and a broker; what breaks the
//! broker has one of its own, what breaks only topics shares one.
#![allow(missing_docs, clippy::unwrap_used)]

mod check;
mod killed;
mod large;
mod legs;
mod outage;
mod poison;
mod proxy;
mod refused;
mod relay;
mod stage;
mod stalled;
mod topics;
