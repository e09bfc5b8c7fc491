//! The Kafka streamer passes the suites of streamers and receivers on a real broker, each test on topics of its own.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

mod common;

use std::num::NonZeroU32;
use std::sync::Arc;

use streamer_kafka::{KafkaReceiver, KafkaStreamer};
use workflow_conformance::streamer::StreamerFixture;
use workflow_core::adapter::{
    BackendError, Delivery, EventReceiver, EventStreamer, Generation, Position, Publication, SendOutcome,
    StartAt, Unreadable,
};
use workflow_core::{EventId, GroupName, Namespace, Topic};

/// A streamer whose topics and groups are in a namespace, as the engine's are that serves one database of several.
struct InNamespace {
    inner: KafkaStreamer,
    namespace: Namespace,
}

impl EventStreamer for InNamespace {
    type Receiver = Receiver;

    async fn partitions(&self, topic: &Topic) -> Result<NonZeroU32, BackendError> {
        self.inner.partitions(&topic.clone().within(&self.namespace)).await
    }

    async fn open(&self, topic: &Topic, group: &GroupName, start: StartAt) -> Result<Receiver, BackendError> {
        let (own, group) = (topic.clone().within(&self.namespace), group.clone().within(&self.namespace));
        Ok(Receiver { inner: self.inner.open(&own, &group, start).await?, topic: topic.clone() })
    }

    async fn send(&self, mut batch: Vec<Publication>) -> Result<Vec<SendOutcome>, BackendError> {
        for publication in &mut batch {
            let event = Arc::make_mut(&mut publication.event);
            event.topic = event.topic.clone().within(&self.namespace);
        }
        self.inner.send(batch).await
    }

    async fn settled(&self) -> Vec<EventId> {
        self.inner.settled().await
    }

    async fn ready(&self) {
        self.inner.ready().await;
    }
}

struct Receiver {
    inner: KafkaReceiver,
    topic: Topic,
}

impl EventReceiver for Receiver {
    async fn assign(&mut self, partitions: Vec<u32>, generation: Generation) -> Result<(), BackendError> {
        self.inner.assign(partitions, generation).await
    }

    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BackendError> {
        let mut batch = self.inner.next_batch(max).await?;
        for delivery in &mut batch {
            Arc::make_mut(&mut delivery.event).topic = self.topic.clone();
        }
        Ok(batch)
    }

    fn unreadable(&mut self) -> Vec<Unreadable> {
        self.inner.unreadable()
    }

    async fn settle(&mut self, positions: &[Position], generation: Generation) -> Result<(), BackendError> {
        self.inner.settle(positions, generation).await
    }

    async fn release(&mut self) -> Result<(), BackendError> {
        self.inner.release().await
    }
}

struct OnKafka(Arc<InNamespace>);

impl StreamerFixture for OnKafka {
    type Streamer = InNamespace;

    async fn fresh() -> Self {
        let inner = KafkaStreamer::new(common::config().create_topics(true).partitions(4)).unwrap();
        let namespace = Namespace::new(common::unique("suite")).unwrap();
        Self(Arc::new(InNamespace { inner, namespace }))
    }

    fn streamer(&self) -> Arc<InNamespace> {
        Arc::clone(&self.0)
    }
}

workflow_conformance::streamer_suite!(OnKafka);
workflow_conformance::receiver_suite!(OnKafka);
