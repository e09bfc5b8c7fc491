//! Topics and groups of one store among those of others.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{
    BackendError, Delivery, EventReceiver, EventStreamer, Generation, Position, Publication, Reach,
    SendOutcome, StartAt, Unreadable,
};
use crate::{Event, EventId, GroupName, Namespace, Timestamp, Topic};

/// Any streamer, with the namespace of a store in front of every topic and group: so several databases share one broker.
/// The engine and the events that it is given know nothing of it; the relay of the same store needs the same namespace.
///
/// ```
/// use workflow_core::Namespace;
/// use workflow_core::adapter::Namespaced;
/// use workflow_core::memory::InProcessStreamer;
/// let streamer = Namespaced::new(InProcessStreamer::new(), Namespace::new("shop")?);
/// # let _ = streamer;
/// # Ok::<(), workflow_core::InvalidName>(())
/// ```
#[derive(Clone, Debug)]
pub struct Namespaced<E> {
    inner: E,
    namespace: Namespace,
}

impl<E> Namespaced<E> {
    /// A streamer whose topics and groups are in this namespace.
    pub fn new(inner: E, namespace: Namespace) -> Self {
        Self { inner, namespace }
    }

    /// The streamer itself.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    fn topic(&self, topic: &Topic) -> Topic {
        topic.clone().within(&self.namespace)
    }

    fn group(&self, group: &GroupName) -> GroupName {
        group.clone().within(&self.namespace)
    }
}

impl<E: EventStreamer> EventStreamer for Namespaced<E> {
    type Receiver = NamespacedReceiver<E::Receiver>;

    fn reach(&self) -> Reach {
        self.inner.reach()
    }

    async fn has_settled(
        &self,
        topic: &Topic,
        group: &GroupName,
        until: Timestamp,
    ) -> Result<bool, BackendError> {
        self.inner.has_settled(&self.topic(topic), &self.group(group), until).await
    }

    async fn partitions(&self, topic: &Topic) -> Result<NonZeroU32, BackendError> {
        self.inner.partitions(&self.topic(topic)).await
    }

    async fn open(
        &self,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
    ) -> Result<Self::Receiver, BackendError> {
        let inner = self.inner.open(&self.topic(topic), &self.group(group), start).await?;
        Ok(NamespacedReceiver { inner, topic: topic.clone(), namespace: self.namespace.clone() })
    }

    async fn send(&self, mut batch: Vec<Publication>) -> Result<Vec<SendOutcome>, BackendError> {
        if self.namespace != Namespace::NONE {
            for publication in &mut batch {
                let topic = self.topic(&publication.event.topic);
                publication.event = Arc::new(Event { topic, ..(*publication.event).clone() });
            }
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

/// A receiver of a [`Namespaced`] streamer.
#[derive(Debug)]
pub struct NamespacedReceiver<R> {
    inner: R,
    topic: Topic,
    namespace: Namespace,
}

impl<R: EventReceiver> EventReceiver for NamespacedReceiver<R> {
    async fn assign(&mut self, partitions: Vec<u32>, generation: Generation) -> Result<(), BackendError> {
        self.inner.assign(partitions, generation).await
    }

    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BackendError> {
        let mut batch = self.inner.next_batch(max).await?;
        if self.namespace != Namespace::NONE {
            for delivery in &mut batch {
                // An event that is sent again by its store goes through the namespace once more.
                let event = Event { topic: self.topic.clone(), ..(*delivery.event).clone() };
                delivery.event = Arc::new(event);
            }
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
