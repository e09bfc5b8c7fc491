//! What the tests on a broker share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses a part of it")]

use streamer_kafka::KafkaConfig;

/// The brokers that everybody's tests share.
pub fn brokers() -> String {
    std::env::var("WORKFLOW_KAFKA_BROKERS").unwrap_or_else(|_| {
        panic!("these tests need a Kafka broker: `cargo xtask services up`, then set what `cargo xtask services env` prints, as WORKFLOW_KAFKA_BROKERS=127.0.0.1:9092")
    })
}

/// A client of the shared brokers.
pub fn config() -> KafkaConfig {
    KafkaConfig::new([brokers()])
}

/// A name that no other test has.
pub fn unique(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4().simple())
}
