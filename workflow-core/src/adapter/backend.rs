//! The adapters of one program, with their types erased.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{
    BackendError, BoxFuture, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork,
    DynScheduler, DynStreamer, EpochClaim, EventStreamer, Found, HistoryQuery, ListPage, ListQuery,
    OutboxPage, Outcome, Reach, RetryKey, RetryRow, RoleScheduler, SlotKey, Store, StoreLimits, TraceLink,
    Waking,
};
use crate::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

/// [`Store`] with boxed futures. Implemented for every [`Store`]; the contract is there.
#[allow(missing_docs, reason = "each method is that of the same name in `Store`")]
pub trait DynStore: Send + Sync {
    fn limits(&self) -> StoreLimits;
    fn clock(&self) -> Arc<dyn Clock>;
    fn waking(&self) -> Waking;
    fn commit<'a>(
        &'a self,
        changes: Vec<Change>,
        acked: Vec<EventId>,
    ) -> BoxFuture<'a, Result<Vec<Outcome>, BackendError>>;
    fn start_engine<'a>(&'a self, reach: Reach) -> BoxFuture<'a, Result<(), BackendError>>;
    fn stop_engine<'a>(&'a self) -> BoxFuture<'a, ()>;
    fn lookup<'a>(&'a self, run_ids: &'a [RunId]) -> BoxFuture<'a, Result<Vec<Found>, BackendError>>;
    fn latest<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        foreign_id: &'a ForeignId,
    ) -> BoxFuture<'a, Result<Option<Arc<Record>>, BackendError>>;
    fn started_by<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        key: &'a StartKey,
    ) -> BoxFuture<'a, Result<Option<Arc<Record>>, BackendError>>;
    fn list<'a>(&'a self, query: &'a ListQuery) -> BoxFuture<'a, Result<ListPage, BackendError>>;
    fn history<'a>(
        &'a self,
        query: &'a HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<HistoryEntry>, BackendError>>;
    fn entered<'a>(
        &'a self,
        runs: &'a [(RunId, StatusCode)],
    ) -> BoxFuture<'a, Result<Vec<bool>, BackendError>>;
    fn outbox<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<OutboxPage, BackendError>>;
    fn due<'a>(
        &'a self,
        workflows: &'a [WorkflowName],
        limit: usize,
    ) -> BoxFuture<'a, Result<DueWork, BackendError>>;
    fn retry<'a>(&'a self, key: &'a RetryKey) -> BoxFuture<'a, Result<Option<RetryRow>, BackendError>>;
    fn retries<'a>(
        &'a self,
        keys: &'a [RetryKey],
    ) -> BoxFuture<'a, Result<Vec<Option<RetryRow>>, BackendError>>;
    fn inbox<'a>(
        &'a self,
        run_id: RunId,
        status: StatusCode,
    ) -> BoxFuture<'a, Result<Vec<Callback>, BackendError>>;
    fn last_slot<'a>(
        &'a self,
        schedule: &'a SlotKey,
    ) -> BoxFuture<'a, Result<Option<Timestamp>, BackendError>>;
    fn dead_letters<'a>(&'a self, limit: usize) -> BoxFuture<'a, Result<Vec<DeadLetter>, BackendError>>;
    fn register<'a>(
        &'a self,
        role: &'a RoleName,
        claim: EpochClaim,
    ) -> BoxFuture<'a, Result<Option<Epoch>, BackendError>>;
    fn waiting_retries<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64, BackendError>>;
    fn driverless<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        untouched_for: Duration,
        after: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'a, Result<DriverlessSlice, BackendError>>;
    fn purge<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64, BackendError>>;
}

impl<S: Store> DynStore for S {
    fn limits(&self) -> StoreLimits {
        Store::limits(self)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Store::clock(self)
    }

    fn waking(&self) -> Waking {
        Store::waking(self)
    }

    fn commit<'a>(
        &'a self,
        changes: Vec<Change>,
        acked: Vec<EventId>,
    ) -> BoxFuture<'a, Result<Vec<Outcome>, BackendError>> {
        Box::pin(Store::commit(self, changes, acked))
    }

    fn start_engine<'a>(&'a self, reach: Reach) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(Store::start_engine(self, reach))
    }

    fn stop_engine<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(Store::stop_engine(self))
    }

    fn lookup<'a>(&'a self, run_ids: &'a [RunId]) -> BoxFuture<'a, Result<Vec<Found>, BackendError>> {
        Box::pin(Store::lookup(self, run_ids))
    }

    fn latest<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        foreign_id: &'a ForeignId,
    ) -> BoxFuture<'a, Result<Option<Arc<Record>>, BackendError>> {
        Box::pin(Store::latest(self, workflow_name, foreign_id))
    }

    fn started_by<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        key: &'a StartKey,
    ) -> BoxFuture<'a, Result<Option<Arc<Record>>, BackendError>> {
        Box::pin(Store::started_by(self, workflow_name, key))
    }

    fn list<'a>(&'a self, query: &'a ListQuery) -> BoxFuture<'a, Result<ListPage, BackendError>> {
        Box::pin(Store::list(self, query))
    }

    fn history<'a>(
        &'a self,
        query: &'a HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<HistoryEntry>, BackendError>> {
        Box::pin(Store::history(self, query))
    }

    fn entered<'a>(
        &'a self,
        runs: &'a [(RunId, StatusCode)],
    ) -> BoxFuture<'a, Result<Vec<bool>, BackendError>> {
        Box::pin(Store::entered(self, runs))
    }

    fn outbox<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<OutboxPage, BackendError>> {
        Box::pin(Store::outbox(self, after, limit))
    }

    fn due<'a>(
        &'a self,
        workflows: &'a [WorkflowName],
        limit: usize,
    ) -> BoxFuture<'a, Result<DueWork, BackendError>> {
        Box::pin(Store::due(self, workflows, limit))
    }

    fn retry<'a>(&'a self, key: &'a RetryKey) -> BoxFuture<'a, Result<Option<RetryRow>, BackendError>> {
        Box::pin(Store::retry(self, key))
    }

    fn retries<'a>(
        &'a self,
        keys: &'a [RetryKey],
    ) -> BoxFuture<'a, Result<Vec<Option<RetryRow>>, BackendError>> {
        Box::pin(Store::retries(self, keys))
    }

    fn inbox<'a>(
        &'a self,
        run_id: RunId,
        status: StatusCode,
    ) -> BoxFuture<'a, Result<Vec<Callback>, BackendError>> {
        Box::pin(Store::inbox(self, run_id, status))
    }

    fn last_slot<'a>(
        &'a self,
        schedule: &'a SlotKey,
    ) -> BoxFuture<'a, Result<Option<Timestamp>, BackendError>> {
        Box::pin(Store::last_slot(self, schedule))
    }

    fn dead_letters<'a>(&'a self, limit: usize) -> BoxFuture<'a, Result<Vec<DeadLetter>, BackendError>> {
        Box::pin(Store::dead_letters(self, limit))
    }

    fn register<'a>(
        &'a self,
        role: &'a RoleName,
        claim: EpochClaim,
    ) -> BoxFuture<'a, Result<Option<Epoch>, BackendError>> {
        Box::pin(Store::register(self, role, claim))
    }

    fn waiting_retries<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64, BackendError>> {
        Box::pin(Store::waiting_retries(self, workflow_name, limit))
    }

    fn driverless<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        untouched_for: Duration,
        after: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'a, Result<DriverlessSlice, BackendError>> {
        Box::pin(Store::driverless(self, workflow_name, untouched_for, after, limit))
    }

    fn purge<'a>(
        &'a self,
        workflow_name: &'a WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64, BackendError>> {
        Box::pin(Store::purge(self, workflow_name, older_than, limit))
    }
}

/// What a workflow runs on: a store, a streamer and a role scheduler, with their types erased.
///
/// Clones share everything; workflows that are run on clones of one backend share its committers and its outbox.
/// What is in memory or embedded is a whole backend by itself and converts into one.
#[derive(Clone)]
pub struct Backend {
    store: Arc<dyn DynStore>,
    streamer: Arc<dyn DynStreamer>,
    scheduler: Arc<dyn DynScheduler>,
    trace_link: Option<Arc<dyn TraceLink>>,
    shared: Arc<OnceLock<Arc<dyn Any + Send + Sync>>>,
}

impl Backend {
    /// Puts three adapters together.
    pub fn new(store: impl Store, streamer: impl EventStreamer, scheduler: impl RoleScheduler) -> Self {
        Self {
            store: Arc::new(store),
            streamer: Arc::new(streamer),
            scheduler: Arc::new(scheduler),
            trace_link: None,
            shared: Arc::default(),
        }
    }

    /// Ties the spans of what runs on this backend to a tracing system; see [`TraceLink`]. It is for the start of a
    /// program: what runs on clones that were made before knows nothing of it, and shares nothing with what runs on this.
    #[must_use]
    pub fn with_trace_link(self, link: impl TraceLink) -> Self {
        Self { trace_link: Some(Arc::new(link)), shared: Arc::default(), ..self }
    }

    /// The link to a tracing system, if there is one.
    pub fn trace_link(&self) -> Option<&Arc<dyn TraceLink>> {
        self.trace_link.as_ref()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn DynStore> {
        &self.store
    }

    /// The streamer.
    pub fn streamer(&self) -> &Arc<dyn DynStreamer> {
        &self.streamer
    }

    /// The role scheduler.
    pub fn scheduler(&self) -> &Arc<dyn DynScheduler> {
        &self.scheduler
    }

    /// What all engines on this backend share; made by the first that asks.
    pub(crate) fn shared<H: Any + Send + Sync>(&self, make: impl FnOnce() -> Arc<H>) -> Arc<H> {
        let shared = self.shared.get_or_init(|| make());
        Arc::clone(shared).downcast().expect("only the engine's one hub type is kept here")
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").finish_non_exhaustive()
    }
}
