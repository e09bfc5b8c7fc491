//! Publishing events with an idempotent producer, a batch at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::oneshot;
use workflow::{Event, decode_outbox, header};

use super::outbox::Row;
use crate::stack::PARTITIONS;

/// The topics of the load, without the namespace.
pub(super) const TOPICS: [&str; 4] = ["load-1", "load-2", "load-3", "load-run-state-change"];

/// A batch whose acknowledgements are counted.
pub(crate) struct Batch {
    left: AtomicUsize,
    failed: AtomicBool,
    all: Mutex<Option<oneshot::Sender<bool>>>,
}

/// Counts what the brokers have acknowledged.
pub(crate) struct Acks;

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        if result.is_err() {
            batch.failed.store(true, Ordering::Relaxed);
        }
        if batch.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let all = batch.all.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Whoever waited may have given up.
            let _ = all.map(|all| all.send(!batch.failed.load(Ordering::Relaxed)));
        }
    }
}

/// A producer that all relays share.
#[derive(Clone)]
pub(crate) struct Producer {
    inner: Arc<ThreadedProducer<Acks>>,
    names: Arc<HashMap<&'static str, String>>,
}

impl Producer {
    /// Connects, and makes the topics.
    pub(crate) async fn open(brokers: &str, namespace: &str) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("socket.nagle.disable", "true");
        let names: HashMap<_, _> = TOPICS.iter().map(|topic| (*topic, full(namespace, topic))).collect();
        make_topics(&config, names.values()).await?;
        config.set("enable.idempotence", "true").set("linger.ms", "0").set("partitioner", "fnv1a_random");
        config.set("queue.buffering.max.messages", "200000");
        let inner = Arc::new(config.create_with_context(Acks)?);
        Ok(Self { inner, names: Arc::new(names) })
    }

    /// Publishes events; what is given back tells whether the brokers have all of them.
    pub(crate) fn send(&self, rows: &[Row]) -> anyhow::Result<oneshot::Receiver<bool>> {
        let (all, acknowledged) = oneshot::channel();
        let batch = Arc::new(Batch {
            left: AtomicUsize::new(rows.len()),
            failed: AtomicBool::new(false),
            all: Mutex::new(Some(all)),
        });
        for (_, data) in rows {
            let event = decode_outbox(data)?;
            let topic = self.names.get(event.topic.as_str());
            let topic = topic.ok_or_else(|| anyhow::anyhow!("topic {} is not the load's", event.topic))?;
            let (key, payload) = (event.run_id.to_string(), event.status.get().to_string());
            let record = BaseRecord::with_opaque_to(topic, Arc::clone(&batch)).key(&key).payload(&payload);
            let sent = self.inner.send(record.headers(headers(&event, &key)));
            sent.map_err(|(error, _)| anyhow::anyhow!("an event is not taken: {error}"))?;
        }
        Ok(acknowledged)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if Arc::strong_count(&self.inner) == 1 {
            // What is left in it matters to nobody.
            let _ = self.inner.flush(Duration::from_secs(1));
        }
    }
}

/// The name of a topic in a namespace.
pub(super) fn full(namespace: &str, topic: &str) -> String {
    format!("{namespace}-{topic}")
}

async fn make_topics(config: &ClientConfig, names: impl Iterator<Item = &String>) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let partitions = i32::try_from(PARTITIONS)?;
    let topics: Vec<NewTopic<'_>> =
        names.map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(1))).collect();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
    for made in admin.create_topics(&topics, &options).await? {
        ensure!(
            matches!(made, Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))),
            "a topic was not made: {made:?}"
        );
    }
    Ok(())
}

fn headers(event: &Event, run_id: &str) -> OwnedHeaders {
    let texts = [
        (header::WORKFLOW_NAME, event.workflow_name.to_string()),
        (header::FOREIGN_ID, event.foreign_id.to_string()),
        (header::TOPIC, event.topic.to_string()),
        (header::RUN_ID, run_id.to_owned()),
        (header::RUN_STATE, event.run_state.code().to_string()),
        (header::RECORD_VERSION, event.version.map(|version| version.get().to_string()).unwrap_or_default()),
        (header::EVENT_ID, event.event_id.map(|id| id.to_string()).unwrap_or_default()),
    ];
    texts.iter().fold(OwnedHeaders::new_with_capacity(texts.len()), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_bytes()) })
    })
}
