//! The cluster as one streamer sees it: a producer, which is also asked about topics, and what was found out so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use workflow_core::Topic;
use workflow_core::adapter::{BackendError, StartAt};

use crate::KafkaConfig;
use crate::client::{Clients, Context, Kept};
use crate::error::{failed, is_missing, not_run};
use crate::reports::Reports;

/// How long between two questions whose answer is only a moment away.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(crate) type Producer = Kept<ThreadedProducer<Reports>>;

/// A producer, if there is one.
type Slot = Mutex<Option<Arc<Producer>>>;

pub(crate) struct Cluster {
    pub(crate) config: KafkaConfig,
    pub(crate) clients: Arc<Clients>,
    producer: Slot,
    /// For what was refused together with others.
    lone_producer: Slot,
    /// Topics that were seen to be there, with how many partitions, and when.
    known: Mutex<HashMap<Topic, (u32, Instant)>>,
}

impl Cluster {
    pub(crate) fn new(config: KafkaConfig) -> Self {
        let (producer, lone_producer) = Default::default();
        Self { config, clients: Arc::default(), producer, lone_producer, known: Mutex::default() }
    }

    /// The producer, made when it is first wanted.
    pub(crate) fn producer(&self) -> Result<Arc<Producer>, BackendError> {
        self.in_slot(&self.producer, &self.config.producer())
    }

    /// The producer that never puts two messages into one request, made when it is first wanted: few programs ever do.
    pub(crate) fn lone_producer(&self) -> Result<Arc<Producer>, BackendError> {
        self.in_slot(&self.lone_producer, &self.config.lone_producer())
    }

    fn in_slot(&self, slot: &Slot, config: &ClientConfig) -> Result<Arc<Producer>, BackendError> {
        let mut producer = lock(slot);
        if let Some(producer) = &*producer {
            return Ok(Arc::clone(producer));
        }
        let context = Reports::new(Arc::clone(&self.clients));
        let made = ThreadedProducer::from_config_and_context(config, context)
            .map_err(|error| failed("the Kafka producer cannot be made", error))?;
        Ok(Arc::clone(producer.insert(Arc::new(Kept::new(made, &self.clients)))))
    }

    /// A producer that has met a fatal error can send nothing any more: the next send makes a new one.
    pub(crate) fn discard(&self, broken: &Arc<Producer>) {
        for slot in [&self.producer, &self.lone_producer] {
            let mut producer = lock(slot);
            if producer.as_ref().is_some_and(|present| Arc::ptr_eq(present, broken)) {
                *producer = None;
            }
        }
    }

    /// Lets go of the producers, once what they still have is sent or `patience` is over.
    pub(crate) async fn close(&self, patience: Duration) {
        let begun = Instant::now();
        for slot in [&self.producer, &self.lone_producer] {
            let Some(producer) = lock(slot).take() else { continue };
            let left = patience.saturating_sub(begun.elapsed());
            // What is not sent in time is still in the outbox.
            let _ =
                blocking("flush", move || producer.flush(left).map_err(|error| failed("flush", error))).await;
        }
    }

    /// How many partitions a topic has; `None` if it does not exist.
    pub(crate) async fn partitions(self: &Arc<Self>, topic: &Topic) -> Result<Option<u32>, BackendError> {
        let (this, name) = (Arc::clone(self), topic.clone());
        let found = blocking("metadata", move || {
            let what = || format!("the partitions of topic {name} cannot be read");
            let producer = this.producer()?;
            let metadata = producer.client().fetch_metadata(Some(name.as_str()), this.config.request());
            let metadata = metadata.map_err(|error| failed(what(), error))?;
            let Some(found) = metadata.topics().iter().find(|found| found.name() == name.as_str()) else {
                return Ok(None);
            };
            match found.error().map(RDKafkaErrorCode::from) {
                None if found.partitions().is_empty() => Ok(None),
                None => Ok(u32::try_from(found.partitions().len()).ok()),
                code if is_missing(code) => Ok(None),
                Some(code) => Err(failed(what(), rdkafka::error::KafkaError::MetadataFetch(code))),
            }
        })
        .await?;
        match found {
            Some(partitions) => lock(&self.known).insert(topic.clone(), (partitions, Instant::now())),
            None => lock(&self.known).remove(topic),
        };
        Ok(found)
    }

    /// How many partitions a topic had when it was looked at last, if that is not long ago: it may have grown.
    pub(crate) fn known_partitions(&self, topic: &Topic) -> Option<u32> {
        let known = lock(&self.known).get(topic).copied();
        known
            .filter(|(_, seen)| seen.elapsed() < self.config.refresh_interval())
            .map(|(partitions, _)| partitions)
    }

    /// The topic may have been deleted: it is looked for before it is used again.
    pub(crate) fn forget(&self, topic: &Topic) {
        lock(&self.known).remove(topic);
    }

    /// The oldest offset that is kept, and the next one, of partitions.
    pub(crate) async fn ends(
        self: &Arc<Self>,
        topic: &Topic,
        partitions: Vec<u32>,
    ) -> Result<Vec<(u64, u64)>, BackendError> {
        let (this, topic) = (Arc::clone(self), topic.clone());
        blocking("watermarks", move || {
            let producer = this.producer()?;
            let ends = partitions.into_iter().map(|partition| {
                let (client, patience) = (producer.client(), this.config.request());
                let ends = patiently(patience, || {
                    client.fetch_watermarks(topic.as_str(), number(partition), patience)
                });
                let (oldest, next) = ends.map_err(|error| {
                    failed(format!("the ends of topic {topic}, partition {partition}, cannot be read"), error)
                })?;
                Ok((offset(oldest), offset(next)))
            });
            ends.collect()
        })
        .await
    }

    /// Every group whose name begins so, and how many members each has.
    pub(crate) async fn groups(
        self: &Arc<Self>,
        prefix: String,
    ) -> Result<Vec<(String, usize)>, BackendError> {
        let this = Arc::clone(self);
        blocking("groups", move || {
            let producer = this.producer()?;
            let list = producer.client().fetch_group_list(None, this.config.request());
            let list = list.map_err(|error| failed("the consumer groups cannot be listed", error))?;
            let named = list.groups().iter().filter(|group| group.name().starts_with(&prefix));
            Ok(named.map(|group| (group.name().to_owned(), group.members().len())).collect())
        })
        .await
    }

    /// What a group has committed of partitions of a topic; by a client that lives only for this question.
    pub(crate) async fn committed_by(
        self: &Arc<Self>,
        group: &str,
        topic: &Topic,
        partitions: Vec<u32>,
    ) -> Result<Vec<Option<u64>>, BackendError> {
        let (this, group, topic) = (Arc::clone(self), group.to_owned(), topic.clone());
        blocking("committed offsets", move || {
            let config = this.config.consumer(&group, StartAt::Earliest);
            let made = BaseConsumer::from_config_and_context(&config, Context(Arc::clone(&this.clients)));
            let made =
                made.map_err(|error| failed(format!("a client for group {group} cannot be made"), error))?;
            let consumer = Kept::new(made, &this.clients);
            committed(&*consumer, &group, &topic, &partitions, this.config.request())
        })
        .await
    }
}

/// Asks again while a topic that is new has no leader, or a group no coordinator: in a moment they will; blocks.
fn patiently<V>(patience: Duration, ask: impl Fn() -> Result<V, KafkaError>) -> Result<V, KafkaError> {
    use RDKafkaErrorCode::{
        CoordinatorLoadInProgress, CoordinatorNotAvailable, LeaderNotAvailable, NotCoordinator,
        NotLeaderForPartition,
    };
    let begun = Instant::now();
    loop {
        let answer = ask();
        let code = answer.as_ref().err().and_then(KafkaError::rdkafka_error_code);
        match code {
            Some(
                CoordinatorLoadInProgress
                | CoordinatorNotAvailable
                | LeaderNotAvailable
                | NotCoordinator
                | NotLeaderForPartition,
            ) if begun.elapsed() < patience => std::thread::sleep(LOOK_AGAIN),
            _ => return answer,
        }
    }
}

/// What a client's group has committed; blocks.
pub(crate) fn committed<C: rdkafka::consumer::ConsumerContext>(
    consumer: &impl Consumer<C>,
    group: &str,
    topic: &Topic,
    partitions: &[u32],
    patience: Duration,
) -> Result<Vec<Option<u64>>, BackendError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic.as_str(), number(*partition));
    }
    let what = || format!("what group {group} has committed of topic {topic} cannot be read");
    let found = patiently(patience, || consumer.committed_offsets(list.clone(), patience));
    let found = found.map_err(|error| failed(what(), error))?;
    let of = |partition: &u32| {
        let element = found.find_partition(topic.as_str(), number(*partition));
        let Some(element) = element else { return Ok(None) };
        element.error().map_err(|error| failed(what(), error))?;
        match element.offset() {
            Offset::Offset(at) => Ok(Some(offset(at))),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => {
                Ok(None)
            }
        }
    };
    partitions.iter().map(of).collect()
}

/// Runs a call that blocks where it holds up no other task.
pub(crate) async fn blocking<V: Send + 'static>(
    what: &'static str,
    call: impl FnOnce() -> Result<V, BackendError> + Send + 'static,
) -> Result<V, BackendError> {
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|_| Err(not_run(what)))
}

/// A partition's number as librdkafka has it; it never gives one that does not fit.
pub(crate) fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

fn offset(at: i64) -> u64 {
    u64::try_from(at).unwrap_or_default()
}

pub(crate) fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
