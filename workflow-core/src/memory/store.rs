//! A store in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::State;
use crate::adapter::{
    BackendError, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork, EpochClaim,
    ErrorKind, Found, HistoryQuery, ListPage, ListQuery, OutboxPage, Outcome, Reach, RetryKey, RetryRow,
    SlotKey, Store, StoreLimits, Waking,
};
use crate::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, Shard, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

/// The largest object that is taken, in bytes.
const OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A store that forgets everything when its last clone is dropped.
///
/// ```
/// use std::sync::Arc;
/// use workflow_core::adapter::SystemClock;
/// use workflow_core::memory::MemoryStore;
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// # let _ = store.clone();
/// ```
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    engines: Mutex<Engines>,
    alone: Arc<tokio::sync::Mutex<()>>,
}

/// Who runs engines on a store.
#[derive(Clone, Copy, Default)]
enum Engines {
    #[default]
    None,
    /// One that has the store for itself.
    Alone,
    /// So many of a cluster.
    Sharing(usize),
}

impl MemoryStore {
    /// An empty store that stamps by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (state, engines, alone) = (Mutex::default(), Mutex::default(), Arc::default());
        Self(Arc::new(Inner { clock, state, engines, alone }))
    }

    fn engines(&self) -> MutexGuard<'_, Engines> {
        self.0.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a relay that has the whole outbox holds.
    pub(super) fn alone(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.0.alone)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn limits(&self) -> StoreLimits {
        StoreLimits { object_bytes_max: OBJECT_BYTES_MAX, batch_changes_max: 1024, committers: 1 }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    fn waking(&self) -> Waking {
        Waking::Never
    }

    async fn start_engine(&self, reach: Reach) -> Result<(), BackendError> {
        let mut engines = self.engines();
        *engines = match (*engines, reach) {
            (Engines::None, Reach::Process) => Engines::Alone,
            (Engines::None, Reach::Cluster) => Engines::Sharing(1),
            (Engines::Sharing(others), Reach::Cluster) => Engines::Sharing(others + 1),
            (Engines::Alone, _) | (Engines::Sharing(_), Reach::Process) => {
                let context = "an engine runs on this store in memory already: run all workflows on clones of one handle";
                return Err(BackendError::new(ErrorKind::AlreadyRunning, context));
            }
        };
        Ok(())
    }

    async fn stop_engine(&self) {
        let mut engines = self.engines();
        *engines = match *engines {
            Engines::Sharing(sharing) if sharing > 1 => Engines::Sharing(sharing - 1),
            Engines::None | Engines::Alone | Engines::Sharing(_) => Engines::None,
        };
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        let now = self.0.clock.now();
        let mut state = self.state();
        let outcomes = changes.into_iter().map(|change| state.make(change, now)).collect();
        acked.into_iter().for_each(|id| state.delete_outbox(id));
        Ok(outcomes)
    }

    async fn lookup(&self, run_ids: &[RunId]) -> Result<Vec<Found>, BackendError> {
        let state = self.state();
        Ok(run_ids.iter().map(|run_id| Ok(state.records.get(run_id).cloned())).collect())
    }

    async fn latest(
        &self,
        workflow_name: &WorkflowName,
        foreign_id: &ForeignId,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let state = self.state();
        let key = (workflow_name.clone(), foreign_id.clone());
        let newest = || state.by_foreign_id.get(&key)?.last().map(|(_, run_id)| *run_id);
        let run_id = state.live.get(&key).copied().or_else(newest);
        Ok(run_id.and_then(|run_id| state.records.get(&run_id).cloned()))
    }

    async fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let state = self.state();
        let run_id = state.start_keys.get(&(workflow_name.clone(), key.clone()));
        Ok(run_id.and_then(|run_id| state.records.get(run_id).cloned()))
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        Ok(self.state().list(query))
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        Ok(self.state().history_of(query))
    }

    async fn entered(&self, runs: &[(RunId, StatusCode)]) -> Result<Vec<bool>, BackendError> {
        let state = self.state();
        let entered = |(run_id, status): &(RunId, StatusCode)| {
            state.history.get(run_id).into_iter().flatten().any(|entry| entry.to_status == *status)
        };
        Ok(runs.iter().map(entered).collect())
    }

    async fn outbox(&self, after: Option<&str>, limit: usize) -> Result<OutboxPage, BackendError> {
        Ok(self.state().outbox_page(Shard::WHOLE, after.and_then(|id| id.parse().ok()), limit))
    }

    async fn due(&self, workflows: &[WorkflowName], limit: usize) -> Result<DueWork, BackendError> {
        let now = self.0.clock.now();
        Ok(self.state().due_work(workflows, limit, now))
    }

    async fn retry(&self, key: &RetryKey) -> Result<Option<RetryRow>, BackendError> {
        Ok(self.state().retries.get(&key.run_id).and_then(|rows| rows.get(key)).cloned())
    }

    async fn inbox(&self, run_id: RunId, status: StatusCode) -> Result<Vec<Callback>, BackendError> {
        let state = self.state();
        let noted = state.inbox.get(&run_id).into_iter().flatten();
        Ok(noted.filter(|callback| callback.status == status).cloned().collect())
    }

    async fn last_slot(&self, key: &SlotKey) -> Result<Option<Timestamp>, BackendError> {
        Ok(self.state().slots.get(&super::commit::schedule(key)).and_then(|slots| slots.last().copied()))
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        let mut letters: Vec<DeadLetter> = self.state().dead_letters.values().cloned().collect();
        letters.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        letters.truncate(limit);
        Ok(letters)
    }

    async fn register(&self, role: &RoleName, claim: EpochClaim) -> Result<Option<Epoch>, BackendError> {
        let mut state = self.state();
        let current = state.roles.get(role).copied();
        let epoch = match (claim, current) {
            (EpochClaim::Next, current) => Epoch::new(current.map_or(0, Epoch::get) + 1),
            (EpochClaim::At(epoch), Some(current)) if epoch <= current => return Ok(None),
            (EpochClaim::At(epoch), _) => epoch,
        };
        state.roles.insert(role.clone(), epoch);
        Ok(Some(epoch))
    }

    async fn waiting_retries(&self, workflow_name: &WorkflowName, limit: usize) -> Result<u64, BackendError> {
        Ok(self.state().waiting_retries(workflow_name, limit))
    }

    async fn driverless(
        &self,
        workflow_name: &WorkflowName,
        untouched_for: Duration,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<DriverlessSlice, BackendError> {
        let before = self.0.clock.now().before(untouched_for);
        Ok(self.state().driverless(workflow_name, before, after, limit))
    }

    async fn purge(
        &self,
        workflow_name: &WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> Result<u64, BackendError> {
        let before = self.0.clock.now().before(older_than);
        Ok(self.state().purge(workflow_name, before, limit))
    }
}
