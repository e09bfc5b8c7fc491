//! Where the brokers are, how they are reached, and what may be done there.

mod check;
mod properties;
mod security;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

pub use check::{KafkaConfigErrors, KafkaConfigProblem};
pub use security::{Mechanism, Sasl, Secret, Tls};

/// How many partitions a created topic has, if nothing else is said: enough for sixteen shards of a step.
const PARTITIONS: u32 = 16;

/// How many messages wait for their acknowledgement at most: beyond, a send answers that the stream is full.
const QUEUE_MESSAGES_MAX: u32 = 100_000;

/// Everything about the cluster. Checked as a whole when a [`KafkaStreamer`](crate::KafkaStreamer) is made of it.
///
/// It can be read from a configuration file by serde; each setting has the name of its method.
///
/// ```
/// use std::time::Duration;
/// use streamer_kafka::{KafkaConfig, KafkaStreamer, Sasl, Secret, Tls};
/// let config = KafkaConfig::new(["kafka-1:9093", "kafka-2:9093"])
///     .client_id("orders")
///     .tls(Tls::new())
///     .sasl(Sasl::scram_sha_512("orders", Secret::new("s3cret")))
///     .create_topics(true)
///     .partitions(32)
///     .replication(3)
///     .retention(Duration::from_hours(24 * 7))
///     .property("compression.type", "lz4");
/// assert!(!format!("{config:?}").contains("s3cret"));
/// let streamer = KafkaStreamer::new(config)?;
/// # let _ = streamer;
/// # Ok::<(), streamer_kafka::KafkaConfigErrors>(())
/// ```
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    pub(crate) brokers: Brokers,
    pub(crate) client_id: String,
    pub(crate) tls: Option<Tls>,
    pub(crate) sasl: Option<Sasl>,
    pub(crate) create_topics: bool,
    pub(crate) partitions: u32,
    pub(crate) replication: Option<u16>,
    pub(crate) retention_ms: Option<u64>,
    pub(crate) request_timeout_ms: u64,
    pub(crate) delivery_timeout_ms: u64,
    pub(crate) close_timeout_ms: u64,
    pub(crate) watch_interval_ms: u64,
    pub(crate) queue_messages_max: u32,
    pub(crate) properties: BTreeMap<String, String>,
}

/// `host:port` each; in a file as a list or as one text with commas.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum Brokers {
    #[default]
    None,
    Text(String),
    List(Vec<String>),
}

impl Brokers {
    pub(crate) fn list(&self) -> Vec<&str> {
        match self {
            Brokers::None => Vec::new(),
            Brokers::Text(text) => text.split(',').map(str::trim).filter(|one| !one.is_empty()).collect(),
            Brokers::List(list) => list.iter().map(|one| one.trim()).collect(),
        }
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: Brokers::None,
            client_id: "workflow".to_owned(),
            tls: None,
            sasl: None,
            create_topics: false,
            partitions: PARTITIONS,
            replication: None,
            retention_ms: None,
            request_timeout_ms: 10_000,
            delivery_timeout_ms: 30_000,
            close_timeout_ms: 5_000,
            watch_interval_ms: 60_000,
            queue_messages_max: QUEUE_MESSAGES_MAX,
            properties: BTreeMap::new(),
        }
    }
}

impl KafkaConfig {
    /// A cluster that these brokers, each `host:port`, are of; one that answers is enough to find the others.
    pub fn new<B: Into<String>>(brokers: impl IntoIterator<Item = B>) -> Self {
        let list = brokers.into_iter().map(Into::into).collect();
        Self { brokers: Brokers::List(list), ..Self::default() }
    }

    /// What this program is called in the brokers' logs and quotas; `workflow` by default.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// Speaks TLS; without it, plain text.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Logs in with a user and a password.
    pub fn sasl(mut self, sasl: Sasl) -> Self {
        self.sasl = Some(sasl);
        self
    }

    /// Whether topics that are missing are made; by default they are not, and using one is an error that names it.
    pub fn create_topics(mut self, create: bool) -> Self {
        self.create_topics = create;
        self
    }

    /// How many partitions a created topic has; 16 by default. There can be no more shards of a step than that.
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// On how many brokers a created topic is kept; the brokers' own default if nothing is said.
    pub fn replication(mut self, replication: u16) -> Self {
        self.replication = Some(replication);
        self
    }

    /// How long a created topic keeps its events; the brokers' own default if nothing is said.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention_ms = Some(millis(retention));
        self
    }

    /// How long one question to a broker may take; 10 s by default.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout_ms = millis(timeout);
        self
    }

    /// How long a message is tried before its send fails; 30 s by default.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout_ms = millis(timeout);
        self
    }

    /// How long a close waits for the clients to end; 5 s by default.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout_ms = millis(timeout);
        self
    }

    /// How often each topic that is read is looked at again: whether it has grown, and whether strangers are in the group. What
    /// is settled is committed anew as often. A minute by default.
    pub fn watch_interval(mut self, interval: Duration) -> Self {
        self.watch_interval_ms = millis(interval);
        self
    }

    /// How many messages may wait for their acknowledgement; 100,000 by default.
    pub fn queue_messages_max(mut self, messages: u32) -> Self {
        self.queue_messages_max = messages;
        self
    }

    /// Any property of librdkafka, passed on as it is. Those that events would be lost or doubled by are refused.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    pub(crate) fn request(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn close(&self) -> Duration {
        Duration::from_millis(self.close_timeout_ms)
    }
}

impl fmt::Debug for KafkaConfig {
    /// Of the properties only the names: a value may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers.list())
            .field("client_id", &self.client_id)
            .field("tls", &self.tls)
            .field("sasl", &self.sasl)
            .field("create_topics", &self.create_topics)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("retention_ms", &self.retention_ms)
            .field("request_timeout_ms", &self.request_timeout_ms)
            .field("delivery_timeout_ms", &self.delivery_timeout_ms)
            .field("close_timeout_ms", &self.close_timeout_ms)
            .field("watch_interval_ms", &self.watch_interval_ms)
            .field("queue_messages_max", &self.queue_messages_max)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .finish()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
