//! Events on Kafka: a [`KafkaStreamer`] publishes them and hands out receivers, a [`KafkaConnector`] feeds any topic into a
//! workflow, and [`Topics`] makes and describes topics.
//!
//! A topic is divided into *partitions*, logs that brokers keep; the run's id decides the partition, so that a run's events
//! keep their order. A *group* remembers an *offset* for each partition: what is before it is settled. Kafka can also say
//! who reads which partition, by members that join the group. That is not used here: roles say who reads, so that a role and
//! its partitions move together and at once, and Kafka keeps only the offsets. A stranger that joins such a group would do
//! the same work a second time, and is refused.

mod client;
mod cluster;
mod config;
mod connector;
mod error;
mod group;
mod offsets;
mod openings;
mod progress;
mod reports;
mod sender;
mod streamer;
mod topics;
mod wire;

pub use config::{KafkaConfig, KafkaConfigErrors, KafkaConfigProblem, Mechanism, Sasl, Secret, Tls};
pub use connector::{KafkaConnector, KafkaMessage};
pub use streamer::{KafkaReceiver, KafkaStreamer};
pub use topics::{Created, PartitionDescription, PartitionLag, TopicDescription, Topics};
