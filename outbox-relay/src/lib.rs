//! Publishes the outbox of a database: a relay in a process of its own.
//!
//! The library is generic over the store, the stream and the role scheduler; the program `outbox-relay` puts it on a SQL
//! database, Kafka and etcd.
//!
//! * A row is deleted only after the stream has acknowledged its event. A relay that ends in between publishes the event
//!   again, with the same event id; consumers skip it by its version.
//! * Of the events of one run, one at a time waits for its acknowledgement, in the order of their versions.
//! * An event that the stream will never take, or a row that cannot be read, becomes a dead letter; a topic that is missing
//!   or may not be written to holds its own events and no others.

pub mod program;
mod relay;

pub use relay::alone::Alone;
pub use relay::bell::{Bell, BellError};
pub use relay::metrics::{RelayMetrics, ShardMetrics};
pub use relay::options::RelayOptions;
pub use relay::{Drained, Relay};
