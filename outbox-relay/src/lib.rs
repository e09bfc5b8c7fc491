//! Publishes the outbox of a database to Kafka.
