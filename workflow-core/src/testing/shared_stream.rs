//! A stream that several processes of one test see, as they would a broker.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::adapter::{
    BackendError, Delivery, EventReceiver, EventStreamer, Generation, Position, Publication, Reach,
    SendOutcome, StartAt,
};
use crate::{Event, EventId, GroupName, Timestamp, Topic};

/// How many partitions a topic has at first.
const PARTITIONS: u32 = 4;

/// A stream in memory that behaves as a broker does: what was sent is kept, groups have positions that outlive their readers,
/// events come without their records, and nothing keeps a former owner from moving a group's position back.
///
/// ```
/// use workflow_core::adapter::{EventStreamer, Reach};
/// use workflow_core::testing::SharedStream;
/// assert_eq!(SharedStream::new().reach(), Reach::Cluster);
/// ```
#[derive(Clone, Debug)]
pub struct SharedStream(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    topics: Mutex<HashMap<Topic, Log>>,
    changed: watch::Sender<u64>,
    losing: Mutex<u32>,
}

#[derive(Debug)]
struct Log {
    partitions: Vec<Vec<Message>>,
    /// The next offset of each group in each partition.
    groups: HashMap<GroupName, Vec<u64>>,
}

#[derive(Clone, Debug)]
struct Message {
    event: Arc<Event>,
    at: Timestamp,
}

impl Default for Log {
    fn default() -> Self {
        Self { partitions: vec![Vec::new(); PARTITIONS as usize], groups: HashMap::new() }
    }
}

impl Default for SharedStream {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedStream {
    /// A stream without topics.
    pub fn new() -> Self {
        let changed = watch::Sender::new(0);
        Self(Arc::new(Shared { topics: Mutex::default(), changed, losing: Mutex::default() }))
    }

    /// Gives a topic more partitions.
    pub fn grow(&self, topic: &Topic, partitions: u32) {
        let mut topics = self.topics();
        let log = topics.entry(topic.clone()).or_default();
        while log.partitions.len() < partitions as usize {
            log.partitions.push(Vec::new());
        }
    }

    /// Acknowledges the next events and forgets them, as a broker that loses its disk.
    pub fn lose(&self, events: u32) {
        *self.0.losing.lock().unwrap_or_else(PoisonError::into_inner) = events;
    }

    /// Has every group read a topic from its beginning again, as when their positions have expired.
    pub fn rewind(&self, topic: &Topic) {
        if let Some(log) = self.topics().get_mut(topic) {
            log.groups.clear();
        }
    }

    /// Every event of a topic, in the order of each partition.
    pub fn events(&self, topic: &Topic) -> Vec<Arc<Event>> {
        let topics = self.topics();
        let messages = topics.get(topic).into_iter().flat_map(|log| log.partitions.iter().flatten());
        messages.map(|message| Arc::clone(&message.event)).collect()
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<Topic, Log>> {
        self.0.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_lost(&self) -> bool {
        let mut losing = self.0.losing.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = *losing > 0;
        *losing = losing.saturating_sub(1);
        lost
    }
}

impl EventStreamer for SharedStream {
    type Receiver = SharedReceiver;

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    async fn has_settled(
        &self,
        topic: &Topic,
        group: &GroupName,
        until: Timestamp,
    ) -> Result<bool, BackendError> {
        let topics = self.topics();
        let Some(log) = topics.get(topic) else { return Ok(true) };
        let positions = log.groups.get(group);
        Ok(log.partitions.iter().enumerate().all(|(number, messages)| {
            let next = positions.and_then(|positions| positions.get(number)).copied().unwrap_or(0);
            messages.iter().skip(index(next)).all(|message| message.at >= until)
        }))
    }

    async fn partitions(&self, topic: &Topic) -> Result<NonZeroU32, BackendError> {
        let mut topics = self.topics();
        let partitions = topics.entry(topic.clone()).or_default().partitions.len();
        Ok(NonZeroU32::new(u32::try_from(partitions).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN))
    }

    async fn open(
        &self,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
    ) -> Result<SharedReceiver, BackendError> {
        if start == StartAt::Latest {
            let mut topics = self.topics();
            let log = topics.entry(topic.clone()).or_default();
            let ends = log.partitions.iter().map(|messages| messages.len() as u64).collect();
            log.groups.entry(group.clone()).or_insert(ends);
        }
        let (topic, group) = (topic.clone(), group.clone());
        let changed = self.0.changed.subscribe();
        let stream = self.clone();
        Ok(SharedReceiver { stream, topic, group, changed, generation: Generation(0), windows: Vec::new() })
    }

    async fn send(&self, batch: Vec<Publication>) -> Result<Vec<SendOutcome>, BackendError> {
        let outcomes = vec![SendOutcome::Durable; batch.len()];
        for Publication { event, at, .. } in batch.into_iter().filter(|_| !self.is_lost()) {
            let mut topics = self.topics();
            let log = topics.entry(event.topic.clone()).or_default();
            let number = usize::from(event.run_id.bucket()) % log.partitions.len();
            log.partitions[number].push(Message { event, at });
        }
        self.0.changed.send_modify(|changes| *changes += 1);
        Ok(outcomes)
    }

    async fn settled(&self) -> Vec<EventId> {
        std::future::pending().await
    }

    async fn ready(&self) {}
}

/// One process's view of a topic of a [`SharedStream`].
#[derive(Debug)]
pub struct SharedReceiver {
    stream: SharedStream,
    topic: Topic,
    group: GroupName,
    changed: watch::Receiver<u64>,
    generation: Generation,
    windows: Vec<Window>,
}

/// What was delivered of a partition and is not settled yet.
#[derive(Debug)]
struct Window {
    partition: u32,
    /// Everything before is settled.
    low: u64,
    /// The next one to deliver.
    next: u64,
    settled: BTreeSet<u64>,
}

impl SharedReceiver {
    fn take(&mut self, max: usize) -> Vec<Delivery> {
        let topics = self.stream.topics();
        let Some(log) = topics.get(&self.topic) else { return Vec::new() };
        let mut batch = Vec::new();
        for window in &mut self.windows {
            let Some(messages) = log.partitions.get(window.partition as usize) else { continue };
            while batch.len() < max
                && let Some(message) = messages.get(index(window.next))
            {
                batch.push(Delivery {
                    position: Position { partition: window.partition, offset: window.next },
                    event: Arc::clone(&message.event),
                    record: None,
                    at: message.at,
                });
                window.next += 1;
            }
        }
        batch
    }
}

impl EventReceiver for SharedReceiver {
    async fn assign(&mut self, partitions: Vec<u32>, generation: Generation) -> Result<(), BackendError> {
        self.generation = generation;
        let topics = self.stream.topics();
        let positions = topics.get(&self.topic).and_then(|log| log.groups.get(&self.group));
        let window = |partition: u32| {
            let low = positions.and_then(|all| all.get(partition as usize)).copied().unwrap_or(0);
            Window { partition, low, next: low, settled: BTreeSet::new() }
        };
        let windows = partitions.into_iter().map(window).collect();
        drop(topics);
        self.windows = windows;
        Ok(())
    }

    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BackendError> {
        loop {
            self.changed.mark_unchanged();
            let batch = self.take(max);
            if !batch.is_empty() {
                return Ok(batch);
            }
            if self.changed.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn settle(&mut self, positions: &[Position], generation: Generation) -> Result<(), BackendError> {
        if generation != self.generation {
            return Ok(());
        }
        let mut topics = self.stream.topics();
        let log = topics.entry(self.topic.clone()).or_default();
        let kept = log.groups.entry(self.group.clone()).or_default();
        for window in &mut self.windows {
            let own = positions.iter().filter(|position| position.partition == window.partition);
            window.settled.extend(own.map(|position| position.offset));
            while window.settled.remove(&window.low) {
                window.low += 1;
            }
            let place = window.partition as usize;
            kept.resize(kept.len().max(place + 1), 0);
            // As at a broker: whoever owned the partition before may move the position back.
            kept[place] = window.low;
        }
        Ok(())
    }

    async fn release(&mut self) -> Result<(), BackendError> {
        self.windows.clear();
        Ok(())
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
