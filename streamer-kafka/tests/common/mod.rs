//! What the tests on a broker share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses a part of it")]

pub mod broker;

use std::sync::Arc;

use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::FutureProducer;
use streamer_kafka::{KafkaConfig, KafkaReceiver, KafkaStreamer};
use workflow_core::adapter::{Delivery, EventReceiver, EventStreamer, Publication, SendOutcome};
use workflow_core::{
    Event, EventId, ForeignId, Headers, RunId, RunState, StatusCode, Timestamp, Topic, Version, WorkflowName,
};

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

/// A streamer on the shared brokers that makes topics.
pub fn streamer(partitions: u32) -> KafkaStreamer {
    KafkaStreamer::new(config().create_topics(true).partitions(partitions)).unwrap()
}

/// An event of a new run on a topic.
pub fn event(topic: &Topic) -> Arc<Event> {
    Arc::new(Event {
        event_id: Some(EventId::after(None)),
        workflow_name: WorkflowName::new("orders").unwrap(),
        foreign_id: ForeignId::new("order-17").unwrap(),
        run_id: RunId::generate(),
        status: StatusCode::new(2).unwrap(),
        run_state: RunState::Running,
        version: Version::new(2),
        topic: topic.clone(),
        headers: Headers::new(),
    })
}

/// As the outbox publishes it.
pub fn publication(event: &Arc<Event>) -> Publication {
    let row = event.event_id.unwrap();
    Publication { row, event: Arc::clone(event), record: None, at: Timestamp::from_millis(1_700_000_000_000) }
}

/// Publishes events, which are all taken.
pub async fn send_all(streamer: &KafkaStreamer, events: &[Arc<Event>]) {
    let outcomes = streamer.send(events.iter().map(publication).collect()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == SendOutcome::Durable), "{outcomes:?}");
}

/// Receives until so many events have come.
pub async fn receive(receiver: &mut KafkaReceiver, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(receiver.next_batch(100).await.unwrap());
    }
    all
}

/// Asks again and again until there is an answer.
pub async fn until<V>(what: &str, mut ask: impl AsyncFnMut() -> Option<V>) -> V {
    let patience = std::time::Duration::from_secs(60);
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, asking).await.unwrap_or_else(|_| panic!("it never came about that {what}"))
}

/// A plain producer, as another program has one.
pub fn stranger() -> FutureProducer {
    rdkafka::ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap()
}

/// A client that changes topics behind the streamer's back.
pub fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    rdkafka::ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap()
}
