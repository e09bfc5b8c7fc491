//! A store that fails on demand.

use std::sync::Arc;
use std::time::Duration;

use super::Faults;
use super::faults::CommitFault;
use crate::adapter::{
    BackendError, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork, EpochClaim,
    ErrorKind, Found, HistoryQuery, ListPage, ListQuery, OutboxPage, Outcome, Reach, RetryKey, RetryRow,
    SlotKey, Store, StoreLimits, Waking,
};
use crate::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

/// How often a store that others may write to is looked at, at least: skipping days by the second takes for ever.
const POLL_EVERY: Duration = Duration::from_secs(600);

/// Any store, with [`Faults`]. Its clock is held while a call is under way.
///
/// ```
/// use std::sync::Arc;
/// use workflow_core::memory::MemoryStore;
/// use workflow_core::testing::{Faults, FaultyStore, ManualClock};
/// let faults = Faults::new();
/// let store = FaultyStore::new(MemoryStore::new(Arc::new(ManualClock::new())), faults.clone());
/// faults.fail_commits(1);
/// # let _ = store;
/// ```
#[derive(Clone, Debug)]
pub struct FaultyStore<S> {
    inner: S,
    faults: Faults,
}

impl<S> FaultyStore<S> {
    /// A store that obeys these faults.
    pub fn new(inner: S, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

/// Passes a read on, unless it is to fail.
macro_rules! read {
    ($store:ident, $call:expr) => {{
        let _hold = $store.inner.clock().hold();
        $store.faults.next_read()?;
        $call.await
    }};
}

impl<S: Store> Store for FaultyStore<S> {
    fn limits(&self) -> StoreLimits {
        self.inner.limits()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock()
    }

    fn waking(&self) -> Waking {
        // While time stands still nobody else writes; when it is skipped, a poll now and then is enough.
        match self.inner.waking() {
            Waking::Poll(ceiling) => Waking::Poll(ceiling.max(POLL_EVERY)),
            Waking::Never => Waking::Never,
        }
    }

    async fn start_engine(&self, reach: Reach) -> Result<(), BackendError> {
        let _hold = self.inner.clock().hold();
        self.faults.alive()?;
        self.inner.start_engine(reach).await
    }

    async fn stop_engine(&self) {
        let _hold = self.inner.clock().hold();
        // A process that has crashed has given its right back already, and somebody else may have it.
        if !self.faults.has_crashed() {
            let _hold = self.inner.clock().hold();
            self.inner.stop_engine().await;
        }
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        let _hold = self.inner.clock().hold();
        self.faults.alive()?;
        match self.faults.next_commit(changes.len()) {
            CommitFault::None => self.inner.commit(changes, acked).await,
            CommitFault::NotMade => {
                Err(BackendError::new(ErrorKind::Transient, "the commit was made to fail"))
            }
            CommitFault::AnswerLost => {
                self.inner.commit(changes, acked).await?;
                Err(BackendError::new(ErrorKind::UnknownOutcome, "the commit's answer was made to be lost"))
            }
            CommitFault::Last => {
                self.inner.commit(changes, acked).await?;
                self.inner.stop_engine().await;
                Err(BackendError::new(ErrorKind::Closed, "the process was made to crash"))
            }
        }
    }

    async fn lookup(&self, run_ids: &[RunId]) -> Result<Vec<Found>, BackendError> {
        read!(self, self.inner.lookup(run_ids))
    }

    async fn latest(
        &self,
        workflow_name: &WorkflowName,
        foreign_id: &ForeignId,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        read!(self, self.inner.latest(workflow_name, foreign_id))
    }

    async fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        read!(self, self.inner.started_by(workflow_name, key))
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        read!(self, self.inner.list(query))
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        read!(self, self.inner.history(query))
    }

    async fn entered(&self, runs: &[(RunId, StatusCode)]) -> Result<Vec<bool>, BackendError> {
        read!(self, self.inner.entered(runs))
    }

    async fn outbox(&self, after: Option<&str>, limit: usize) -> Result<OutboxPage, BackendError> {
        read!(self, self.inner.outbox(after, limit))
    }

    async fn due(&self, workflows: &[WorkflowName], limit: usize) -> Result<DueWork, BackendError> {
        read!(self, self.inner.due(workflows, limit))
    }

    async fn retry(&self, key: &RetryKey) -> Result<Option<RetryRow>, BackendError> {
        read!(self, self.inner.retry(key))
    }

    async fn retries(&self, keys: &[RetryKey]) -> Result<Vec<Option<RetryRow>>, BackendError> {
        read!(self, self.inner.retries(keys))
    }

    async fn inbox(&self, run_id: RunId, status: StatusCode) -> Result<Vec<Callback>, BackendError> {
        read!(self, self.inner.inbox(run_id, status))
    }

    async fn last_slot(&self, schedule: &SlotKey) -> Result<Option<Timestamp>, BackendError> {
        read!(self, self.inner.last_slot(schedule))
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        read!(self, self.inner.dead_letters(limit))
    }

    async fn register(&self, role: &RoleName, claim: EpochClaim) -> Result<Option<Epoch>, BackendError> {
        read!(self, self.inner.register(role, claim))
    }

    async fn waiting_retries(&self, workflow_name: &WorkflowName, limit: usize) -> Result<u64, BackendError> {
        read!(self, self.inner.waiting_retries(workflow_name, limit))
    }

    async fn driverless(
        &self,
        workflow_name: &WorkflowName,
        untouched_for: Duration,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<DriverlessSlice, BackendError> {
        read!(self, self.inner.driverless(workflow_name, untouched_for, after, limit))
    }

    async fn purge(
        &self,
        workflow_name: &WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> Result<u64, BackendError> {
        let _hold = self.inner.clock().hold();
        self.faults.alive()?;
        self.inner.purge(workflow_name, older_than, limit).await
    }
}
