//! A stream that obeys the test, and what is waited for.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of it, and what cannot be had fails it"
)]

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use workflow_core::adapter::{
    BackendError, ErrorKind, EventStreamer, Publication, SendOutcome, StartAt, Store,
};
use workflow_core::memory::{InProcessReceiver, InProcessStreamer};
use workflow_core::{Event, EventId, GroupName, RunId, Topic};

/// After so long what is waited for never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps what is published, and answers as it is told.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    events: Vec<Arc<Event>>,
    rows: Vec<EventId>,
    /// Topics that are missing.
    missing: HashSet<Topic>,
    /// Runs whose events are refused for their own sake.
    refused: HashSet<RunId>,
    away: bool,
    under_way: HashMap<RunId, usize>,
    twice_at_once: bool,
    largest_batch: usize,
}

impl Sink {
    pub(crate) fn events(&self) -> Vec<Arc<Event>> {
        self.0.lock().unwrap().events.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().events.len()
    }

    pub(crate) fn was_twice_at_once(&self) -> bool {
        self.0.lock().unwrap().twice_at_once
    }

    pub(crate) fn largest_batch(&self) -> usize {
        self.0.lock().unwrap().largest_batch
    }

    pub(crate) fn set_missing(&self, topic: &Topic, is_missing: bool) {
        let missing = &mut self.0.lock().unwrap().missing;
        if is_missing {
            missing.insert(topic.clone())
        } else {
            missing.remove(topic)
        };
    }

    pub(crate) fn refuse(&self, run: RunId) {
        self.0.lock().unwrap().refused.insert(run);
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.0.lock().unwrap().away = away;
    }

    /// The versions of each run, in the order in which they were published.
    pub(crate) fn versions(&self) -> HashMap<RunId, Vec<u64>> {
        let mut versions: HashMap<RunId, Vec<u64>> = HashMap::new();
        for event in self.events() {
            versions.entry(event.run_id).or_default().push(event.version.unwrap().get());
        }
        versions
    }
}

impl EventStreamer for Sink {
    type Receiver = InProcessReceiver;

    async fn partitions(&self, _topic: &Topic) -> Result<NonZeroU32, BackendError> {
        Ok(NonZeroU32::MIN)
    }

    async fn open(
        &self,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
    ) -> Result<InProcessReceiver, BackendError> {
        InProcessStreamer::new().open(topic, group, start).await
    }

    async fn send(&self, batch: Vec<Publication>) -> Result<Vec<SendOutcome>, BackendError> {
        {
            let mut state = self.0.lock().unwrap();
            let gone = batch.iter().any(|each| state.missing.contains(&each.event.topic));
            if state.away || gone {
                return Err(BackendError::new(ErrorKind::Transient, "the topic is missing"));
            }
            state.largest_batch = state.largest_batch.max(batch.len());
            for each in &batch {
                let count = state.under_way.entry(each.event.run_id).or_default();
                *count += 1;
                state.twice_at_once |= *count > 1;
            }
        }
        tokio::task::yield_now().await;
        let mut state = self.0.lock().unwrap();
        let outcomes = batch.into_iter().map(|each| {
            state.under_way.remove(&each.event.run_id);
            if state.refused.contains(&each.event.run_id) {
                return SendOutcome::Refused("it is too large".into());
            }
            state.rows.push(each.row);
            state.events.push(each.event);
            SendOutcome::Durable
        });
        Ok(outcomes.collect())
    }

    async fn settled(&self) -> Vec<EventId> {
        std::future::pending().await
    }

    async fn ready(&self) {}
}

/// Looks again and again until it holds.
pub(crate) async fn eventually<Fut: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> Fut) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "it never came about that {what}");
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn is_empty(store: &impl Store) -> bool {
    store.outbox(None, 1).await.unwrap().rows.is_empty()
}
