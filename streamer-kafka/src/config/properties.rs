//! The properties that librdkafka is given.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use workflow_core::adapter::StartAt;

use super::KafkaConfig;

/// The property that says how often topics are looked at anew, and librdkafka's own default.
const REFRESH: (&str, Duration) = ("topic.metadata.refresh.interval.ms", Duration::from_secs(300));

const IN_FLIGHT: &str =
    "five requests are under way at once: more would let a retried one change the order, fewer are slow";

/// Properties that cannot be set, and why.
const REFUSED: [(&str, &str); 29] = [
    ("acks", "an outbox row goes when all replicas have its event"),
    ("allow.auto.create.topics", "topics are made by create_topics, with the partitions that are asked for"),
    ("auto.offset.reset", "each receiver says where it starts"),
    ("bootstrap.servers", "use brokers"),
    ("client.id", "use client_id"),
    ("delivery.timeout.ms", "use delivery_timeout_ms"),
    ("enable.auto.commit", "only what is settled is committed"),
    ("enable.auto.offset.store", "only what is settled is committed"),
    ("enable.idempotence", "without it a send that is tried again changes the order of a run's events"),
    ("enable.partition.eof", "the end of a partition is no error"),
    ("group.id", "groups are named by the workflow's processes"),
    ("group.instance.id", "there are no members: roles say who reads"),
    ("group.protocol", "there are no members: roles say who reads"),
    ("max.in.flight", IN_FLIGHT),
    ("max.in.flight.requests.per.connection", IN_FLIGHT),
    ("message.timeout.ms", "use delivery_timeout_ms"),
    ("metadata.broker.list", "use brokers"),
    ("partition.assignment.strategy", "there are no members: roles say who reads"),
    ("partitioner", "all programs that write a topic must agree on the partition of a run"),
    ("queue.buffering.max.messages", "use queue_messages_max"),
    ("request.required.acks", "an outbox row goes when all replicas have its event"),
    ("sasl.mechanism", "use sasl"),
    ("sasl.mechanisms", "use sasl"),
    ("sasl.password", "use sasl"),
    ("sasl.username", "use sasl"),
    ("security.protocol", "use tls and sasl"),
    ("ssl.ca.location", "use tls.ca_file"),
    ("test.mock.num.brokers", "events would be kept nowhere"),
    ("transactional.id", "events are not sent in transactions"),
];

/// Why a property cannot be set, if it cannot.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, reason)| *reason)
}

impl KafkaConfig {
    /// How long the number of a topic's partitions is believed; -1 is for ever, as for librdkafka.
    pub(crate) fn refresh_interval(&self) -> Duration {
        let Some(said) = self.properties.get(REFRESH.0) else { return REFRESH.1 };
        said.parse().map_or(Duration::MAX, Duration::from_millis)
    }

    /// What every client is given.
    pub(crate) fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        config.set("socket.nagle.disable", "true");
        // The default waits up to 10 s after a broker has come back.
        config.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "1000");
        config.set("socket.timeout.ms", self.request_timeout_ms.max(1000).to_string());
        config.set("topic.metadata.propagation.max.ms", "5000");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", self.brokers.list().join(",")).set("client.id", &self.client_id);
        config.set("allow.auto.create.topics", "false");
        self.secure(&mut config);
        config
    }

    fn secure(&self, config: &mut ClientConfig) {
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(tls) = &self.tls {
            let files = [
                ("ssl.ca.location", &tls.ca_file),
                ("ssl.certificate.location", &tls.certificate_file),
                ("ssl.key.location", &tls.key_file),
            ];
            for (name, file) in files {
                if let Some(file) = file {
                    config.set(name, file.to_string_lossy());
                }
            }
            if let Some(password) = &tls.key_password {
                config.set("ssl.key.password", password.reveal());
            }
        }
        if let Some(sasl) = &self.sasl {
            config.set("sasl.mechanism", sasl.mechanism.as_str());
            config.set("sasl.username", &sasl.user).set("sasl.password", sasl.password.reveal());
        }
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.common();
        // The batch comes from the backlog: waiting for more would double the time of an idle run.
        if !self.properties.contains_key("linger.ms") {
            config.set("linger.ms", "0");
        }
        config.set("enable.idempotence", "true").set("acks", "all");
        // What makes several requests safe on a partition that is new to the producer is in `openings`.
        config.set("max.in.flight.requests.per.connection", "5");
        // Each event says its partition; without one it would be where sarama's hash partitioner puts it.
        config.set("partitioner", "fnv1a_random");
        config.set("delivery.timeout.ms", self.delivery_timeout_ms.to_string());
        config.set("queue.buffering.max.messages", self.queue_messages_max.to_string());
        config
    }

    /// The same, with every message in a request of its own.
    pub(crate) fn lone_producer(&self) -> ClientConfig {
        let mut config = self.producer();
        config.set("batch.num.messages", "1").set("max.in.flight.requests.per.connection", "1");
        config
    }

    pub(crate) fn consumer(&self, group: &str, start: StartAt) -> ClientConfig {
        let mut config = self.common();
        let defaults = [
            ("fetch.wait.max.ms", "500"),
            ("queued.min.messages", "10000"),
            ("queued.max.messages.kbytes", "16384"),
            // The default waits a second after a queue has been drained.
            ("fetch.queue.backoff.ms", "20"),
            // There is no session; it bounds how long a commit waits for the group's coordinator.
            ("session.timeout.ms", "6000"),
        ];
        for (name, value) in defaults.into_iter().filter(|(name, _)| !self.properties.contains_key(*name)) {
            config.set(name, value);
        }
        config.set("group.id", group);
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        let reset = match start {
            StartAt::Earliest => "earliest",
            StartAt::Latest => "latest",
        };
        config.set("auto.offset.reset", reset);
        config
    }
}
