//! The streamer and its receivers.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, Weak};

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::Producer as _;
use workflow_core::adapter::{
    BackendError, Delivery, ErrorKind, EventReceiver, EventStreamer, Generation, Position, Publication,
    Reach, SendOutcome, StartAt, Unreadable,
};
use workflow_core::{Event, EventId, GroupName, Timestamp, Topic};

use crate::cluster::{Cluster, lock};
use crate::group::{Decode, Group, GroupReceiver};
use crate::topics::{Topics, ensure};
use crate::wire::{Decoder, unreadable};
use crate::{KafkaConfig, KafkaConfigErrors};

/// How long between two looks whether the producer's queue has room again.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(5);

/// An event with when it was sent, or why it is none.
type Read = Result<(Arc<Event>, Timestamp), Unreadable>;

/// Publishes events to Kafka and reads them. Clones share their clients.
///
/// Every send is durable when it is answered: all in-sync replicas have the event, and its outbox row can go.
///
/// ```
/// use streamer_kafka::{KafkaConfig, KafkaStreamer};
/// use workflow_core::adapter::Backend;
/// use workflow_core::memory::{InProcessScheduler, MemoryStore};
/// # use std::sync::Arc;
/// # use workflow_core::adapter::SystemClock;
/// # fn main() -> Result<(), streamer_kafka::KafkaConfigErrors> {
/// let streamer = KafkaStreamer::new(KafkaConfig::new(["127.0.0.1:9092"]).create_topics(true))?;
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// let backend = Backend::new(store, streamer.clone(), InProcessScheduler::new());
/// # let _ = backend; Ok(()) }
/// ```
#[derive(Clone)]
pub struct KafkaStreamer(Arc<Inner>);

/// The groups that receivers are open of.
type Groups = HashMap<(Topic, GroupName), Weak<Group<Read>>>;

struct Inner {
    cluster: Arc<Cluster>,
    groups: Mutex<Groups>,
}

impl KafkaStreamer {
    /// Checks the configuration; nothing is asked of a broker before it is needed.
    ///
    /// # Errors
    /// [`KafkaConfigErrors`] names every setting that cannot be used.
    pub fn new(config: KafkaConfig) -> Result<Self, KafkaConfigErrors> {
        config.check()?;
        Ok(Self(Arc::new(Inner { cluster: Arc::new(Cluster::new(config)), groups: Mutex::default() })))
    }

    /// Makes and describes topics on the same cluster.
    pub fn topics(&self) -> Topics {
        Topics::of(&self.0.cluster)
    }

    /// How many errors the clients have met that they deal with themselves, as a connection that was lost.
    pub fn client_errors(&self) -> u64 {
        self.0.cluster.clients.errors()
    }

    /// How many clients of librdkafka are open: each has threads and connections of its own.
    pub fn open_clients(&self) -> usize {
        self.0.cluster.clients.alive()
    }

    /// Sends what is still in the producer's queue and ends the clients, within the configured time. Receivers are dropped
    /// before; one that is kept keeps its client.
    ///
    /// # Errors
    /// [`BackendError`] if some client had not ended by then; its threads end when they can.
    pub async fn close(&self) -> Result<(), BackendError> {
        let (cluster, patience) = (&self.0.cluster, self.0.cluster.config.close());
        cluster.close(patience).await;
        if cluster.clients.ended(patience).await {
            return Ok(());
        }
        let context = format!("{} Kafka clients have not ended within {patience:?}", cluster.clients.alive());
        Err(BackendError::new(ErrorKind::Transient, context))
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.0.cluster
    }

    fn group(&self, topic: &Topic, group: &GroupName, start: StartAt) -> Arc<Group<Read>> {
        let mut groups = lock(&self.0.groups);
        groups.retain(|_, group| group.strong_count() > 0);
        let key = (topic.clone(), group.clone());
        if let Some(open) = groups.get(&key).and_then(Weak::upgrade) {
            return open;
        }
        let new = Group::new(&self.0.cluster, topic, group, start, read_events());
        groups.insert(key, Arc::downgrade(&new));
        new
    }
}

impl fmt::Debug for KafkaStreamer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaStreamer").field(&self.0.cluster.config).finish()
    }
}

fn read_events() -> Decode<Read> {
    let mut decoder = Decoder::default();
    Box::new(move |message: &BorrowedMessage<'_>| match decoder.decode(message) {
        Ok(event) => {
            let at = Timestamp::from_millis(message.timestamp().to_millis().unwrap_or_default());
            Ok((Arc::new(event), at))
        }
        Err(error) => Err(unreadable(message, error.to_string())),
    })
}

impl EventStreamer for KafkaStreamer {
    type Receiver = KafkaReceiver;

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    async fn has_settled(
        &self,
        topic: &Topic,
        group: &GroupName,
        until: Timestamp,
    ) -> Result<bool, BackendError> {
        crate::progress::has_settled(&self.0.cluster, topic, group, until).await
    }

    async fn partitions(&self, topic: &Topic) -> Result<NonZeroU32, BackendError> {
        let partitions = ensure(&self.0.cluster, topic).await?;
        NonZeroU32::new(partitions).ok_or_else(|| {
            BackendError::new(ErrorKind::Transient, format!("topic {topic} has no partitions yet"))
        })
    }

    async fn open(
        &self,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
    ) -> Result<KafkaReceiver, BackendError> {
        ensure(&self.0.cluster, topic).await?;
        Ok(KafkaReceiver { inner: self.group(topic, group, start).open(), unreadable: Vec::new() })
    }

    async fn send(&self, batch: Vec<Publication>) -> Result<Vec<SendOutcome>, BackendError> {
        crate::sender::send(&self.0.cluster, batch).await
    }

    async fn settled(&self) -> Vec<EventId> {
        std::future::pending().await
    }

    async fn ready(&self) {
        let low = i32::try_from(self.0.cluster.config.queue_messages_max / 2).unwrap_or(i32::MAX);
        // A producer that cannot be made is an error of the next send.
        while let Ok(producer) = self.0.cluster.producer()
            && producer.in_flight_count() > low
        {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// One receiver of a group: see [`KafkaStreamer`].
pub struct KafkaReceiver {
    inner: GroupReceiver<Read>,
    unreadable: Vec<Unreadable>,
}

impl EventReceiver for KafkaReceiver {
    async fn assign(&mut self, partitions: Vec<u32>, generation: Generation) -> Result<(), BackendError> {
        self.unreadable.clear();
        self.inner.assign(partitions, generation).await
    }

    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BackendError> {
        let messages = self.inner.next(max).await?;
        let mut batch = Vec::with_capacity(messages.len());
        for (position, read) in messages {
            match read {
                Ok((event, at)) => batch.push(Delivery { position, event, record: None, at }),
                Err(unreadable) => self.unreadable.push(unreadable),
            }
        }
        Ok(batch)
    }

    fn unreadable(&mut self) -> Vec<Unreadable> {
        std::mem::take(&mut self.unreadable)
    }

    async fn settle(&mut self, positions: &[Position], generation: Generation) -> Result<(), BackendError> {
        self.inner.settle(positions, generation);
        Ok(())
    }

    async fn release(&mut self) -> Result<(), BackendError> {
        self.inner.release().await
    }
}
