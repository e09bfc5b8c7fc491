//! Foreign topics as sources of connectors.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers as _};
use workflow_core::adapter::{
    Backend, BackendError, BoxFuture, ConnectorEvent, Generation, Position, StartAt, Unreadable,
};
use workflow_core::{ConnectorReceiver, ConnectorSource, GroupName, Shard, Topic};

use crate::KafkaStreamer;
use crate::cluster::lock;
use crate::group::{Decode, Group, GroupReceiver};
use crate::topics::ensure;
use crate::wire::{position_of, unreadable};

/// A message of a foreign topic, as a translator sees it.
#[derive(Clone, Debug)]
pub struct KafkaMessage<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Where it stands.
    pub position: Position,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a deletion, on topics that are compacted.
    pub value: Option<&'a [u8]>,
    /// The headers, in their order.
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
    /// When it was written, in milliseconds since 1970, if that is known.
    pub at_millis: Option<i64>,
}

impl KafkaMessage<'_> {
    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| *key == name).and_then(|(_, value)| *value)
    }
}

/// What a translator makes of a message: an event, nothing, or a reason why it cannot be read.
type Translated = Result<Option<ConnectorEvent>, Unreadable>;

type Translate = dyn Fn(&KafkaMessage<'_>) -> Result<Option<ConnectorEvent>, String> + Send + Sync;

/// Any topic as the source of a connector.
///
/// The translator makes an event of a message, or `None` of one that does not matter. Where it leaves the event's id or key
/// empty, the id is the message's place and the key is the message's. What it cannot read is set aside as a dead letter.
///
/// ```
/// use streamer_kafka::{KafkaConfig, KafkaConnector, KafkaMessage, KafkaStreamer};
/// use workflow_core::Topic;
/// use workflow_core::adapter::ConnectorEvent;
/// # fn main() -> Result<(), streamer_kafka::KafkaConfigErrors> {
/// let streamer = KafkaStreamer::new(KafkaConfig::new(["127.0.0.1:9092"]))?;
/// let payments = KafkaConnector::new(&streamer, Topic::new("payments"), |message: &KafkaMessage<'_>| {
///     let amount = message.value.ok_or("a payment without an amount")?;
///     Ok::<_, &str>(Some(ConnectorEvent { data: amount.to_vec().into(), ..ConnectorEvent::default() }))
/// })
/// .from_latest();
/// # let _ = payments; Ok(()) }
/// ```
#[derive(Clone)]
pub struct KafkaConnector {
    streamer: KafkaStreamer,
    topic: Topic,
    start: StartAt,
    translate: Arc<Translate>,
    /// Receivers of one process have rising generations; between processes the role's owner is alone.
    generations: Arc<AtomicU64>,
    /// The shards of a group share a client.
    groups: Arc<Mutex<HashMap<GroupName, Weak<Group<Translated>>>>>,
}

impl KafkaConnector {
    /// Reads a topic on the streamer's cluster, from the oldest message that is kept.
    pub fn new<E: std::fmt::Display>(
        streamer: &KafkaStreamer,
        topic: Topic,
        translate: impl Fn(&KafkaMessage<'_>) -> Result<Option<ConnectorEvent>, E> + Send + Sync + 'static,
    ) -> Self {
        Self {
            streamer: streamer.clone(),
            topic,
            start: StartAt::Earliest,
            translate: Arc::new(move |message| translate(message).map_err(|error| error.to_string())),
            generations: Arc::default(),
            groups: Arc::default(),
        }
    }

    /// A group that has no position yet starts with the next message.
    pub fn from_latest(mut self) -> Self {
        self.start = StartAt::Latest;
        self
    }

    async fn open_shard(
        &self,
        group: &GroupName,
        shard: Shard,
    ) -> Result<KafkaConnectorReceiver, BackendError> {
        let partitions = 0..ensure(self.streamer.cluster(), &self.topic).await?;
        let generation = Generation(self.generations.fetch_add(1, Ordering::Relaxed) + 1);
        let mut inner = self.group(group).open();
        inner
            .assign(partitions.filter(|partition| shard.has_partition(*partition)).collect(), generation)
            .await?;
        Ok(KafkaConnectorReceiver { inner, generation, given: Vec::new(), unreadable: Vec::new() })
    }
}

impl KafkaConnector {
    fn group(&self, group: &GroupName) -> Arc<Group<Translated>> {
        let mut groups = lock(&self.groups);
        if let Some(open) = groups.get(group).and_then(Weak::upgrade) {
            return open;
        }
        let translate = Arc::clone(&self.translate);
        let decode: Decode<Translated> = Box::new(move |message| translated(&*translate, message));
        let new = Group::new(self.streamer.cluster(), &self.topic, group, self.start, decode);
        groups.insert(group.clone(), Arc::downgrade(&new));
        new
    }
}

fn translated(translate: &Translate, message: &BorrowedMessage<'_>) -> Translated {
    let position = position_of(message);
    let headers = message.headers().map(|headers| {
        (0..headers.count()).map(|at| headers.get(at)).map(|header| (header.key, header.value)).collect()
    });
    let view = KafkaMessage {
        topic: message.topic(),
        position,
        key: message.key(),
        value: message.payload(),
        headers: headers.unwrap_or_default(),
        at_millis: message.timestamp().to_millis(),
    };
    // A panic of the translator would end the reading of all partitions.
    let called = std::panic::AssertUnwindSafe(|| translate(&view));
    let called =
        std::panic::catch_unwind(called).unwrap_or_else(|_| Err("the translator panicked".to_owned()));
    let event = called.map_err(|reason| unreadable(message, reason))?;
    Ok(event.map(|mut event| {
        if event.id.is_empty() {
            event.id = format!("{}/{}/{}", view.topic, position.partition, position.offset);
        }
        if event.key.is_empty() {
            event.key = String::from_utf8_lossy(view.key.unwrap_or_default()).into_owned();
        }
        event
    }))
}

impl ConnectorSource for KafkaConnector {
    fn open<'a>(
        &'a self,
        _: &'a Backend,
        group: &'a GroupName,
        shard: Shard,
    ) -> BoxFuture<'a, Result<Box<dyn ConnectorReceiver>, BackendError>> {
        Box::pin(async move {
            let receiver = self.open_shard(group, shard).await?;
            Ok(Box::new(receiver) as Box<dyn ConnectorReceiver>)
        })
    }
}

struct KafkaConnectorReceiver {
    inner: GroupReceiver<Translated>,
    generation: Generation,
    /// Given and not settled.
    given: Vec<Position>,
    unreadable: Vec<Unreadable>,
}

impl ConnectorReceiver for KafkaConnectorReceiver {
    fn next_batch<'a>(&'a mut self, max: usize) -> BoxFuture<'a, Result<Vec<ConnectorEvent>, BackendError>> {
        Box::pin(async move {
            loop {
                let mut events = Vec::new();
                for (position, translated) in self.inner.next(max).await? {
                    match translated {
                        Ok(Some(event)) => events.push(event),
                        Ok(None) => {
                            self.inner.settle(&[position], self.generation);
                            continue;
                        }
                        Err(unreadable) => self.unreadable.push(unreadable),
                    }
                    self.given.push(position);
                }
                if !events.is_empty() || !self.unreadable.is_empty() {
                    return Ok(events);
                }
            }
        })
    }

    fn unreadable(&mut self) -> Vec<Unreadable> {
        std::mem::take(&mut self.unreadable)
    }

    fn settle<'a>(&'a mut self) -> BoxFuture<'a, Result<(), BackendError>> {
        self.inner.settle(&self.given, self.generation);
        self.given.clear();
        Box::pin(std::future::ready(Ok(())))
    }
}
