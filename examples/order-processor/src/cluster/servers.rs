//! The servers of the full stack: database, Kafka and etcd.
