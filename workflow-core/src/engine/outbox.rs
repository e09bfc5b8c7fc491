//! The relay inside the process: stored events go to the stream, and their rows go once they are settled.
//!
//! A committer publishes what it has just stored by itself. What it could not publish, what another process stored, and
//! what was there before the start is read from the table. Both go through one gate, so that a run's events keep their
//! order; an event that goes through twice is known to the stream, or judged by its version.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::acks::Acks;
use super::hub::Hub;
use super::metrics::{ProcessMetrics, ProcessState};
use super::trace::{self, BATCHES, Telling};
use crate::adapter::{
    BackendError, Change, DeadLetter, DynStore, DynStreamer, Effect, Expect, Publication, SendOutcome,
    StoredOutboxRow, Waking,
};
use crate::{Event, EventId, OutboxOptions, RunId, Timestamp};

/// How the committers' events reach the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// No engine runs here: the rows stay for the process that has one.
    Closed,
    /// Straight away.
    Direct,
    /// By the table, because something is in it that must go first.
    Table,
}

pub(crate) struct Outbox {
    store: Arc<dyn DynStore>,
    streamer: Arc<dyn DynStreamer>,
    acks: Arc<Acks>,
    telling: Telling,
    held: trace::Held,
    gate: Mutex<Gate>,
    wake: Notify,
    /// How often the table was asked to be read; until a pass that began after it has ended, nothing goes past it.
    table_wanted: AtomicU64,
    table_read: AtomicU64,
    /// What the stream will never take; the relay sets it aside.
    refused: StdMutex<Vec<Change>>,
    /// The workflows that are run here, with their instruments; rows of others are left to those who run them.
    workflows: RwLock<HashMap<Arc<str>, Arc<ProcessMetrics>>>,
}

/// How a pass over the table ended.
enum Passed {
    /// At the end of it.
    All,
    /// Before, because the stream is full.
    Full,
}

impl Outbox {
    pub(crate) fn new(
        store: &Arc<dyn DynStore>,
        streamer: &Arc<dyn DynStreamer>,
        acks: &Arc<Acks>,
        telling: Telling,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            streamer: Arc::clone(streamer),
            acks: Arc::clone(acks),
            telling,
            held: trace::Held::default(),
            gate: Mutex::new(Gate::Closed),
            wake: Notify::new(),
            table_wanted: AtomicU64::new(0),
            table_read: AtomicU64::new(0),
            refused: StdMutex::default(),
            workflows: RwLock::default(),
        }
    }

    /// From now on, rows of this workflow are published, those that are in the table already first.
    pub(crate) fn open_for(&self, workflow: Arc<str>, metrics: Arc<ProcessMetrics>) {
        metrics.set_state(ProcessState::Running);
        self.workflows.write().unwrap_or_else(PoisonError::into_inner).insert(workflow, metrics);
        self.read_table();
    }

    /// Rows of this workflow are left in the table from now on.
    pub(crate) fn close_for(&self, workflow: &str) {
        let closed = self.workflows.write().unwrap_or_else(PoisonError::into_inner).remove(workflow);
        if let Some(metrics) = closed {
            metrics.set_state(ProcessState::Shutdown);
        }
    }

    /// Has the table read before anything else is published.
    pub(crate) fn read_table(&self) {
        self.table_wanted.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_one();
    }

    /// Publishes what has just been stored, unless it has to wait its turn in the table.
    pub(crate) async fn publish(&self, mut publications: Vec<Publication>) {
        if publications.is_empty() {
            return;
        }
        let mut gate = self.gate.lock().await;
        let table_first =
            self.table_read.load(Ordering::Acquire) != self.table_wanted.load(Ordering::Acquire);
        if *gate != Gate::Direct || table_first {
            return;
        }
        {
            let workflows = self.workflows.read().unwrap_or_else(PoisonError::into_inner);
            publications.retain(|each| workflows.contains_key(each.event.workflow_name.as_str()));
        }
        if matches!(self.send(publications).await, Err(_) | Ok(Passed::Full)) {
            *gate = Gate::Table;
            self.wake.notify_one();
        }
    }

    async fn send(&self, publications: Vec<Publication>) -> Result<Passed, BackendError> {
        if publications.is_empty() {
            return Ok(Passed::All);
        }
        let of_runs = self.telling.trace.publish_spans(&publications, &self.held);
        let span = tracing::debug_span!(target: BATCHES, "publish", events = publications.len());
        let rows: Vec<(EventId, Arc<Event>)> =
            publications.iter().map(|each| (each.row, Arc::clone(&each.event))).collect();
        let sent = self.streamer.send(publications).instrument(span.clone()).await;
        of_runs.iter().for_each(|span| trace::ended(span, sent.is_ok()));
        drop(of_runs);
        self.telling.metrics.published(rows.len(), sent.is_ok());
        let outcomes = sent?;
        span.in_scope(|| tracing::debug!(target: BATCHES, "published"));
        let (mut durable, mut held, mut refused, mut passed) =
            (Vec::new(), Vec::new(), Vec::new(), Passed::All);
        for ((row, event), outcome) in rows.iter().zip(outcomes) {
            match outcome {
                SendOutcome::Durable => durable.push(*row),
                SendOutcome::Held => held.push(*row),
                SendOutcome::Full => passed = Passed::Full,
                SendOutcome::Refused(reason) => refused.push(refused_row(*row, event, &reason)),
            }
        }
        if self.telling.trace.is_on() {
            self.held.note(held.into_iter());
        }
        if !durable.is_empty() {
            self.acks.push(durable);
        }
        if !refused.is_empty() {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).append(&mut refused);
            self.wake.notify_one();
        }
        Ok(passed)
    }

    fn take_refused(&self) -> Vec<Change> {
        std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes what is in the table, from the head to the end.
    ///
    /// The gate is held meanwhile: when the end is reached, nothing that was stored is unpublished.
    async fn pass(&self, batch: usize) -> Result<(Passed, Vec<StoredOutboxRow>), BackendError> {
        self.acks.begin_pass();
        let passed = self.pass_through(batch).await;
        self.acks.end_pass();
        passed
    }

    async fn pass_through(&self, batch: usize) -> Result<(Passed, Vec<StoredOutboxRow>), BackendError> {
        let mut gate = self.gate.lock().await;
        if *gate == Gate::Closed {
            *gate = Gate::Table;
        }
        let wanted = self.table_wanted.load(Ordering::Acquire);
        let mut unreadable = Vec::new();
        let mut after: Option<Arc<str>> = None;
        let now = self.store.clock().now();
        loop {
            let page = self.store.outbox(after.as_deref(), batch).await?;
            if after.is_none() {
                self.note_lag(&page.rows, now);
            }
            let Some(last) = page.rows.last() else { break };
            after = Some(Arc::clone(&last.id));
            let mut rows = page.rows;
            self.acks.without_leaving(&mut rows, |row| super::commit::row_id(&row.id));
            let publications = self.readable(rows, now, &mut unreadable);
            if let Passed::Full = self.send(publications).await? {
                *gate = Gate::Table;
                return Ok((Passed::Full, unreadable));
            }
            if !page.more {
                break;
            }
        }
        self.table_read.store(wanted, Ordering::Release);
        *gate = Gate::Direct;
        Ok((Passed::All, unreadable))
    }

    fn readable(
        &self,
        rows: Vec<StoredOutboxRow>,
        now: Timestamp,
        unreadable: &mut Vec<StoredOutboxRow>,
    ) -> Vec<Publication> {
        let workflows = self.workflows.read().unwrap_or_else(PoisonError::into_inner);
        let mut publications = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter(|row| workflows.contains_key(&*row.workflow_name)) {
            match &row.event {
                Ok((id, event)) => publications.push(Publication {
                    row: *id,
                    event: Arc::clone(event),
                    record: None,
                    at: row.created_at.min(now),
                }),
                Err(_) => unreadable.push(row),
            }
        }
        publications
    }

    /// How old the oldest row of each workflow is, as far as the first page shows.
    fn note_lag(&self, rows: &[StoredOutboxRow], now: Timestamp) {
        for (name, metrics) in self.workflows.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let oldest = rows.iter().find(|row| row.workflow_name == *name);
            metrics.lag(oldest.map_or(Duration::ZERO, |row| now.since(row.created_at)));
        }
    }

    /// These rows can go.
    pub(crate) fn acks_of(&self, settled: Vec<EventId>) {
        if self.telling.trace.is_on() {
            self.held.forget(&settled);
        }
        self.acks.push(settled);
    }

    /// No engine runs here any more.
    pub(crate) async fn close(&self) {
        *self.gate.lock().await = Gate::Closed;
    }
}

/// Reads the table when it is woken, and as often as the store says that others may write to it.
pub(crate) async fn relay(hub: Arc<Hub>, options: OutboxOptions, scope: CancellationToken) {
    let ceiling = match hub.store.waking() {
        Waking::Poll(ceiling) => ceiling,
        Waking::Never => Duration::MAX,
    };
    loop {
        let outbox = &hub.outbox;
        // Before the table is read again, which still has these rows.
        if set_aside(&hub, outbox.take_refused()).await.is_err() {
            tokio::select! {
                () = hub.clock.sleep(options.error_back_off) => {}
                () = scope.cancelled() => return,
            }
        }
        let passed = tokio::select! {
            passed = outbox.pass(options.batch) => passed,
            () = scope.cancelled() => return,
        };
        let wait = async {
            match passed {
                Ok((passed, unreadable)) => {
                    let unreadable = unreadable.into_iter().filter_map(dead_letter).collect();
                    // Rows that could not be set aside are met again by the next pass.
                    let _ = set_aside(&hub, unreadable).await;
                    match passed {
                        Passed::Full => hub.streamer.ready().await,
                        Passed::All => tokio::select! {
                            () = outbox.wake.notified() => {}
                            () = super::sleep_at_most(&*hub.clock, ceiling) => {}
                        },
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %super::with_causes(&error), "the outbox cannot be read or published");
                    hub.clock.sleep(options.error_back_off).await;
                }
            }
        };
        tokio::select! {
            () = wait => {}
            () = scope.cancelled() => return,
        }
    }
}

/// Names the rows that can go.
pub(crate) async fn collect_settled(hub: Arc<Hub>, scope: CancellationToken) {
    loop {
        tokio::select! {
            settled = hub.streamer.settled() => hub.outbox.acks_of(settled),
            () = scope.cancelled() => return,
        }
    }
}

/// Rows that cannot be read or published go to the dead letters, with the reason, so that the rest go on.
async fn set_aside(hub: &Hub, changes: Vec<Change>) -> Result<(), BackendError> {
    if changes.is_empty() {
        return Ok(());
    }
    tracing::error!(
        rows = changes.len(),
        "outbox rows cannot be read or published and are set aside as dead letters"
    );
    let stored = hub.commits.commit(changes).await;
    if let Err(error) = &stored {
        tracing::warn!(error = %super::with_causes(error), "they could not be set aside yet");
    }
    stored.map(drop)
}

/// What becomes of a row whose event the stream will never take.
fn refused_row(row: EventId, event: &Event, reason: &str) -> Change {
    let mut change = Change::new(event.run_id, Expect::Nothing);
    let letter = super::failure::dead_letter(event, "outbox", &format!("the stream refused it: {reason}"));
    change.effects.push(Effect::PutDeadLetter(letter));
    change.effects.push(Effect::DeleteOutbox(row.to_string()));
    change
}

fn dead_letter(row: StoredOutboxRow) -> Option<Change> {
    let (reason, data) = row.event.err()?;
    let mut change = Change::new(RunId::from_uuid(uuid::Uuid::nil()), Expect::Nothing);
    change.effects.push(Effect::PutDeadLetter(DeadLetter {
        id: Arc::clone(&row.id),
        workflow_name: row.workflow_name,
        run_id: None,
        version: None,
        process: "outbox".into(),
        reason,
        data,
        created_at: row.created_at,
    }));
    change.effects.push(Effect::DeleteOutbox(row.id.to_string()));
    Some(change)
}
