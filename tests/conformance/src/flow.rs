//! Events on their way: publications, readers, and what a streamer says of its rows.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;
use workflow_core::adapter::{
    Delivery, EventReceiver, EventStreamer, Generation, Position, Publication, SendOutcome, StartAt,
};
use workflow_core::{Event, EventId, GroupName, Record, RunId, Topic};

use crate::samples::{event_of, new_run, orders, status, stepped};
use crate::waiting::eventually;

/// What the suites of streamers and receivers need to know of a streamer.
pub trait StreamerFixture: Sized + Send + Sync + 'static {
    /// The streamer.
    type Streamer: EventStreamer;

    /// A streamer without topics.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// A streamer that is full at so many unsettled events; `None` if it never is.
    fn bounded(events: usize) -> impl Future<Output = Option<Self>> + Send {
        let _ = events;
        async { None }
    }

    /// The streamer.
    fn streamer(&self) -> Arc<Self::Streamer>;
}

pub(crate) type Receiver<F> = <<F as StreamerFixture>::Streamer as EventStreamer>::Receiver;

/// The topic of the samples.
pub(crate) fn topic() -> Topic {
    Topic::of_status(&orders(), status(2))
}

/// A consumer group.
pub(crate) fn group(code: i32) -> GroupName {
    GroupName::of_step(&orders(), status(code))
}

/// The events of one run in one status, version after version.
pub(crate) fn events_of_run(number: usize, versions: usize) -> Vec<Arc<Event>> {
    let mut record: Record = stepped(&new_run(&format!("order-{number}")), 2);
    let mut events = Vec::with_capacity(versions);
    for _ in 0..versions {
        events.push(event_of(&record));
        record = stepped(&record, 2);
    }
    events
}

/// The events of many runs, interleaved.
pub(crate) fn events_of_runs(runs: usize, versions: usize) -> Vec<Arc<Event>> {
    let of_runs: Vec<_> = (0..runs).map(|run| events_of_run(run, versions)).collect();
    (0..versions).flat_map(|at| of_runs.iter().map(move |events| Arc::clone(&events[at]))).collect()
}

pub(crate) fn row_of(event: &Event) -> EventId {
    event.event_id.unwrap()
}

pub(crate) fn rows_of(events: &[Arc<Event>]) -> BTreeSet<EventId> {
    events.iter().map(|event| row_of(event)).collect()
}

fn publication(event: &Arc<Event>) -> Publication {
    let at = workflow_core::Timestamp::from_millis(1_700_000_000_000);
    Publication { row: row_of(event), event: Arc::clone(event), record: None, at }
}

/// Publishes events in one call.
pub(crate) async fn send(streamer: &impl EventStreamer, events: &[Arc<Event>]) -> Vec<SendOutcome> {
    let outcomes = streamer.send(events.iter().map(publication).collect()).await.unwrap();
    assert_eq!(outcomes.len(), events.len(), "each publication has an answer");
    outcomes
}

/// Publishes events, none of which is refused; tells whether their rows are held.
pub(crate) async fn send_all(streamer: &impl EventStreamer, events: &[Arc<Event>]) -> bool {
    let outcomes = send(streamer, events).await;
    assert!(!outcomes.contains(&SendOutcome::Full), "the stream has room");
    outcomes.contains(&SendOutcome::Held)
}

/// Every partition of the samples' topic.
pub(crate) async fn all_partitions(streamer: &impl EventStreamer) -> Vec<u32> {
    (0..streamer.partitions(&topic()).await.unwrap().get()).collect()
}

/// Opens the topic for a group, from the oldest event.
pub(crate) async fn open<S: EventStreamer>(streamer: &S, code: i32) -> S::Receiver {
    streamer.open(&topic(), &group(code), StartAt::Earliest).await.unwrap()
}

/// Opens the topic for a group and takes over every partition.
pub(crate) async fn open_all<S: EventStreamer>(streamer: &S, code: i32, generation: u64) -> S::Receiver {
    let mut receiver = open(streamer, code).await;
    receiver.assign(all_partitions(streamer).await, Generation(generation)).await.unwrap();
    receiver
}

/// Receives until every one of these rows has been delivered; gives all deliveries in order.
pub(crate) async fn receive(receiver: &mut impl EventReceiver, rows: &BTreeSet<EventId>) -> Vec<Delivery> {
    let (mut missing, mut all) = (rows.clone(), Vec::new());
    while !missing.is_empty() {
        let batch = receiver.next_batch(64).await.unwrap();
        assert!(!batch.is_empty() && batch.len() <= 64, "a batch has {} events", batch.len());
        for delivery in &batch {
            missing.remove(&row_of(&delivery.event));
        }
        all.extend(batch);
    }
    all
}

/// Settles what was delivered.
pub(crate) async fn settle(receiver: &mut impl EventReceiver, deliveries: &[Delivery], generation: u64) {
    let positions: Vec<Position> = deliveries.iter().map(|delivery| delivery.position).collect();
    receiver.settle(&positions, Generation(generation)).await.unwrap();
}

/// The versions of a run among deliveries, in their order.
pub(crate) fn versions_of(deliveries: &[Delivery], run_id: RunId) -> Vec<u64> {
    let own = deliveries.iter().filter(|delivery| delivery.event.run_id == run_id);
    own.map(|delivery| delivery.event.version.unwrap().get()).collect()
}

/// Keeps what a streamer says of rows that can go.
pub(crate) struct Settled {
    rows: Arc<Mutex<Vec<EventId>>>,
    listening: JoinHandle<()>,
}

impl Settled {
    pub(crate) fn of<S: EventStreamer>(streamer: &Arc<S>) -> Self {
        let (rows, streamer) = (Arc::<Mutex<Vec<EventId>>>::default(), Arc::clone(streamer));
        let kept = Arc::clone(&rows);
        let listening = tokio::spawn(async move {
            loop {
                let settled = streamer.settled().await;
                kept.lock().unwrap().extend(settled);
            }
        });
        Self { rows, listening }
    }

    pub(crate) fn rows(&self) -> Vec<EventId> {
        self.rows.lock().unwrap().clone()
    }

    /// Waits until all of these rows have been named.
    pub(crate) async fn all_of(&self, rows: &BTreeSet<EventId>) {
        eventually("all rows can go", async || {
            let named: BTreeSet<EventId> = self.rows().into_iter().collect();
            rows.is_subset(&named)
        })
        .await;
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
