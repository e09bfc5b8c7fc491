//! The one store: what changes together commits together.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{
    BackendError, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, EpochClaim, HistoryQuery,
    ListPage, ListQuery, Outcome, Reach, RetryKey, RetryRow, SlotKey, TimerRow,
};
use crate::{
    Epoch, Event, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

/// An owned, erased future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A record as it was looked up: `None` if there is no such run, an error of its own if it cannot be read. One row that
/// cannot be read takes no other with it.
pub type Found = Result<Option<Arc<Record>>, BackendError>;

/// What a store can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// The largest object, in bytes.
    pub object_bytes_max: usize,
    /// How many changes one commit takes best.
    pub batch_changes_max: usize,
    /// How many commits can usefully be under way at once.
    pub committers: usize,
}

/// How the engine learns that another process wrote to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waking {
    /// Nobody else writes: nothing is ever polled.
    Never,
    /// Others may write: look at least this often.
    Poll(Duration),
}

/// An outbox row as it is stored.
#[derive(Clone, Debug)]
pub struct StoredOutboxRow {
    /// The row's id as text; it is `outbox-id-{uuid}` unless somebody else wrote it.
    pub id: Arc<str>,
    /// The event, or why it cannot be read, with the bytes.
    pub event: Result<(EventId, Arc<Event>), (Arc<str>, Bytes)>,
    /// The workflow that the row names.
    pub workflow_name: Arc<str>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Rows of the outbox in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct OutboxPage {
    /// The rows.
    pub rows: Vec<StoredOutboxRow>,
    /// Whether there may be more after the last one.
    pub more: bool,
}

/// A due timer with the present state of its run.
#[derive(Clone, Debug)]
pub struct DueTimer {
    /// The timer.
    pub timer: TimerRow,
    /// The run; `None` if it is gone.
    pub record: Found,
}

/// What is due.
#[derive(Clone, Debug, Default)]
pub struct DueWork {
    /// Due timers.
    pub timers: Vec<DueTimer>,
    /// Due retries.
    pub retries: Vec<RetryRow>,
    /// How long until the next one of those that were not given is due; zero if there are more due now.
    pub next_in: Option<Duration>,
}

/// Keeps records, outbox, timers, retries, history, roles, slots, inbox and dead letters.
///
/// # Contract
/// 1. *Atomic change.* Everything that a [`Change`] names is stored, or nothing of it.
/// 2. *Independent changes.* A refused change of a commit does not hold up the others; answers are in the order asked.
/// 3. *Compare and set.* Of changes that expect one version of a run, one is stored, however many callers there are.
/// 4. *One live run.* Of inserts of one workflow and foreign id, one unfinished run is stored.
/// 5. *Start keys.* A start key makes one run for ever.
/// 6. *Fenced.* After [`Store::register`] has answered, no change under a lower epoch of that role is stored.
/// 7. *Durable.* What `commit` has answered survives the end of the process (memory stores: until it ends).
/// 8. *Outbox order.* Rows of one run are read in the order in which they were stored.
/// 9. *Idempotent timers.* A timer key is stored once; a completed or cancelled one never becomes due again.
/// 10. *Cancellation.* A commit whose future is dropped is made whole or not at all.
/// 11. *One clock.* Every stored instant comes from [`Store::clock`] or the server's clock, whole milliseconds. That clock is
///     the same one whenever it is asked for: what has elapsed by it is compared.
/// 12. *Byte-exact keys.* `Case`, `case` and `case ` are three foreign ids.
pub trait Store: Send + Sync + 'static {
    /// What it can take.
    fn limits(&self) -> StoreLimits;

    /// The clock by which it stamps; the engine sleeps by it.
    fn clock(&self) -> Arc<dyn Clock>;

    /// How to learn of other writers.
    fn waking(&self) -> Waking;

    /// Claims the right to run engines on this store; kept until it is given back or the handle is dropped.
    ///
    /// An engine whose roles reach no further than its process has the store for itself; engines of a cluster share it with
    /// each other, also within one process, where each gives back its own share.
    ///
    /// # Errors
    /// [`super::ErrorKind::AlreadyRunning`] if another engine has it in a way that excludes this one.
    fn start_engine(&self, reach: Reach) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Gives the right back, or one share of it.
    fn stop_engine(&self) -> impl Future<Output = ()> + Send;

    /// Stores changes in one transaction; `acked` outbox rows are deleted in the same one.
    ///
    /// # Errors
    /// Nothing is stored, unless the error is [`super::ErrorKind::UnknownOutcome`].
    fn commit(
        &self,
        changes: Vec<Change>,
        acked: Vec<EventId>,
    ) -> impl Future<Output = Result<Vec<Outcome>, BackendError>> + Send;

    /// The records of runs, in the order asked.
    fn lookup(&self, run_ids: &[RunId]) -> impl Future<Output = Result<Vec<Found>, BackendError>> + Send;

    /// The live run of a foreign id, or its newest one.
    fn latest(
        &self,
        workflow_name: &WorkflowName,
        foreign_id: &ForeignId,
    ) -> impl Future<Output = Result<Option<Arc<Record>>, BackendError>> + Send;

    /// The run that a start key made.
    fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> impl Future<Output = Result<Option<Arc<Record>>, BackendError>> + Send;

    /// A list of runs, ordered by (created_at, run_id).
    fn list(&self, query: &ListQuery) -> impl Future<Output = Result<ListPage, BackendError>> + Send;

    /// A part of a run's history, by version.
    fn history(
        &self,
        query: &HistoryQuery,
    ) -> impl Future<Output = Result<Vec<HistoryEntry>, BackendError>> + Send;

    /// Which of these runs have entered the status that stands beside them, by their history.
    fn entered(
        &self,
        runs: &[(RunId, StatusCode)],
    ) -> impl Future<Output = Result<Vec<bool>, BackendError>> + Send;

    /// Outbox rows after an id, in the order of their ids.
    fn outbox(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<OutboxPage, BackendError>> + Send;

    /// What is due of these workflows, oldest first.
    fn due(
        &self,
        workflows: &[WorkflowName],
        limit: usize,
    ) -> impl Future<Output = Result<DueWork, BackendError>> + Send;

    /// A retry row.
    fn retry(&self, key: &RetryKey) -> impl Future<Output = Result<Option<RetryRow>, BackendError>> + Send;

    /// Retry rows, in the order asked; a store that can asks for all of them at once.
    fn retries(
        &self,
        keys: &[RetryKey],
    ) -> impl Future<Output = Result<Vec<Option<RetryRow>>, BackendError>> + Send {
        async move {
            let mut rows = Vec::with_capacity(keys.len());
            for key in keys {
                rows.push(self.retry(key).await?);
            }
            Ok(rows)
        }
    }

    /// Callbacks that are noted for a run in a status, applied ones too, oldest first.
    fn inbox(
        &self,
        run_id: RunId,
        status: StatusCode,
    ) -> impl Future<Output = Result<Vec<Callback>, BackendError>> + Send;

    /// The last slot that a schedule has taken; the key's own slot is not looked at.
    fn last_slot(
        &self,
        schedule: &SlotKey,
    ) -> impl Future<Output = Result<Option<Timestamp>, BackendError>> + Send;

    /// Things set aside, oldest first.
    fn dead_letters(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DeadLetter>, BackendError>> + Send;

    /// Registers an owner of a role: raises its epoch to the scheduler's, or by one.
    ///
    /// Gives `None` if the role has that epoch or a higher one already.
    fn register(
        &self,
        role: &RoleName,
        claim: EpochClaim,
    ) -> impl Future<Output = Result<Option<Epoch>, BackendError>> + Send;

    /// How many failed attempts of a workflow wait for the next one: its retry rows with an attempt and a due time. Of all
    /// rows with a due time the first `limit` are counted, so that a backlog costs no more than that.
    fn waiting_retries(
        &self,
        workflow_name: &WorkflowName,
        limit: usize,
    ) -> impl Future<Output = Result<u64, BackendError>> + Send;

    /// Live runs that were last stored before `untouched_for` ago and that nothing drives: no outbox row, retry row
    /// or dead letter of their version. At most `limit` live runs are looked at, after the run `after`; the answer
    /// names the last one looked at, `None` at the end.
    fn driverless(
        &self,
        workflow_name: &WorkflowName,
        untouched_for: Duration,
        after: Option<Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<DriverlessSlice, BackendError>> + Send;

    /// Deletes finished runs (Completed, Cancelled, DataDeleted) last stored before `older_than` ago, with all that
    /// belongs to them, but never one with an unsent outbox row or a retry row that will be due. Gives how many were deleted, at most `limit`.
    fn purge(
        &self,
        workflow_name: &WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> impl Future<Output = Result<u64, BackendError>> + Send;
}
