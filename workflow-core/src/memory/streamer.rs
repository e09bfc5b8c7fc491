//! Topics, groups and partitions inside one process.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::topic_log::{PARTITIONS, Put, TopicLog};
use crate::adapter::{
    BackendError, Delivery, ErrorKind, EventReceiver, EventStreamer, Generation, Position, Publication,
    SendOutcome, StartAt,
};
use crate::{EventId, GroupName, Topic};

/// How many events may be unsettled at once before the stream is full: what is more waits in the outbox.
const UNSETTLED_MAX: usize = 100_000;

/// A streamer for one process. The outbox row stays the durable form of an event until every group has settled it.
///
/// ```
/// use workflow_core::memory::InProcessStreamer;
/// let streamer = InProcessStreamer::new();
/// # let _ = streamer.clone();
/// ```
#[derive(Clone)]
pub struct InProcessStreamer(Arc<Shared>);

struct Shared {
    topics: Mutex<HashMap<Topic, Arc<Mutex<TopicLog>>>>,
    settled: Mutex<Vec<EventId>>,
    settled_some: Notify,
    unsettled: AtomicUsize,
    unsettled_max: usize,
    room: Notify,
}

impl Default for InProcessStreamer {
    fn default() -> Self {
        Self::new()
    }
}

impl InProcessStreamer {
    /// A streamer without events.
    pub fn new() -> Self {
        Self::with_bound(UNSETTLED_MAX)
    }

    /// A streamer that is full at so many unsettled events.
    pub fn with_bound(unsettled_max: usize) -> Self {
        Self(Arc::new(Shared {
            topics: Mutex::default(),
            settled: Mutex::default(),
            settled_some: Notify::new(),
            unsettled: AtomicUsize::new(0),
            unsettled_max: unsettled_max.max(1),
            room: Notify::new(),
        }))
    }

    fn topic(&self, topic: &Topic) -> Arc<Mutex<TopicLog>> {
        let mut topics = lock(&self.0.topics);
        match topics.get(topic) {
            Some(log) => Arc::clone(log),
            None => Arc::clone(topics.entry(topic.clone()).or_default()),
        }
    }
}

impl Shared {
    /// Events have left the logs.
    fn left(&self, count: usize) {
        let before = self.unsettled.fetch_sub(count, Ordering::AcqRel);
        let now = before - count;
        let low = self.unsettled_max / 2;
        if before > low && now <= low {
            self.room.notify_waiters();
        }
    }
}

impl EventStreamer for InProcessStreamer {
    type Receiver = InProcessReceiver;

    async fn partitions(&self, _: &Topic) -> Result<NonZeroU32, BackendError> {
        Ok(NonZeroU32::new(PARTITIONS).expect("16 is not zero"))
    }

    async fn open(
        &self,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
    ) -> Result<InProcessReceiver, BackendError> {
        let (log, wake) = (self.topic(topic), Arc::new(Notify::new()));
        let place = lock(&log).open(group, start == StartAt::Earliest, Arc::clone(&wake));
        let group = place.ok_or_else(|| {
            BackendError::new(
                ErrorKind::Permanent,
                format!("topic {topic} has 64 groups: no more can read it"),
            )
        })?;
        Ok(InProcessReceiver {
            shared: Arc::clone(&self.0),
            log,
            group,
            wake,
            partitions: Vec::new(),
            generation: Generation(0),
        })
    }

    async fn send(&self, batch: Vec<Publication>) -> Result<Vec<SendOutcome>, BackendError> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut batch = batch.into_iter().peekable();
        let mut full = false;
        // Neighbours of one topic share its lock.
        while let Some(first) = batch.next() {
            let topic = first.event.topic.clone();
            let log = self.topic(&topic);
            let mut log = lock(&log);
            let mut next = Some(first);
            let mut added = false;
            while let Some(publication) = next {
                full |= self.0.unsettled.load(Ordering::Acquire) >= self.0.unsettled_max;
                outcomes.push(if full {
                    SendOutcome::Full
                } else {
                    match log.put(publication) {
                        Put::Unread => SendOutcome::Durable,
                        Put::Known => SendOutcome::Held,
                        Put::Added => {
                            self.0.unsettled.fetch_add(1, Ordering::AcqRel);
                            added = true;
                            SendOutcome::Held
                        }
                    }
                });
                next = batch.next_if(|following| following.event.topic == topic);
            }
            if added {
                log.readers().for_each(|reader| reader.notify_one());
            }
        }
        Ok(outcomes)
    }

    async fn settled(&self) -> Vec<EventId> {
        loop {
            let settled = std::mem::take(&mut *lock(&self.0.settled));
            if !settled.is_empty() {
                return settled;
            }
            self.0.settled_some.notified().await;
        }
    }

    async fn ready(&self) {
        loop {
            let room = self.0.room.notified();
            if self.0.unsettled.load(Ordering::Acquire) <= self.0.unsettled_max / 2 {
                return;
            }
            room.await;
        }
    }
}

/// One group's view of a topic of an [`InProcessStreamer`].
pub struct InProcessReceiver {
    shared: Arc<Shared>,
    log: Arc<Mutex<TopicLog>>,
    group: usize,
    wake: Arc<Notify>,
    partitions: Vec<u32>,
    generation: Generation,
}

impl EventReceiver for InProcessReceiver {
    async fn assign(&mut self, partitions: Vec<u32>, generation: Generation) -> Result<(), BackendError> {
        if let Some(number) = partitions.iter().find(|number| **number >= PARTITIONS) {
            let context = format!("partition {number} does not exist: topics in memory have {PARTITIONS}");
            return Err(BackendError::new(ErrorKind::Permanent, context));
        }
        lock(&self.log).rewind(self.group, &self.partitions);
        lock(&self.log).rewind(self.group, &partitions);
        (self.partitions, self.generation) = (partitions, generation);
        Ok(())
    }

    async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BackendError> {
        loop {
            let batch = lock(&self.log).take(self.group, &self.partitions, max);
            if !batch.is_empty() {
                return Ok(batch);
            }
            self.wake.notified().await;
        }
    }

    async fn settle(&mut self, positions: &[Position], generation: Generation) -> Result<(), BackendError> {
        if generation != self.generation {
            return Ok(());
        }
        let mut settled = Vec::new();
        {
            let mut log = lock(&self.log);
            let own = positions.iter().filter(|position| self.partitions.contains(&position.partition));
            own.for_each(|position| log.settle(self.group, *position, &mut settled));
        }
        if !settled.is_empty() {
            self.shared.left(settled.len());
            lock(&self.shared.settled).append(&mut settled);
            self.shared.settled_some.notify_one();
        }
        Ok(())
    }

    async fn release(&mut self) -> Result<(), BackendError> {
        lock(&self.log).rewind(self.group, &self.partitions);
        self.partitions.clear();
        Ok(())
    }
}

impl Drop for InProcessReceiver {
    fn drop(&mut self) {
        let forgotten = {
            let mut log = lock(&self.log);
            log.rewind(self.group, &self.partitions);
            log.close(self.group, &self.wake)
        };
        self.shared.left(forgotten);
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
