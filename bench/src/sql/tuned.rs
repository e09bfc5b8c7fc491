//! A store with other limits than its own, which remembers how large its transactions were.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use workflow::adapter::{
    Backend, BackendError, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork, EpochClaim,
    Found, HistoryQuery, ListPage, ListQuery, OutboxPage, Outcome, RetryKey, RetryRow, SlotKey, Store,
    StoreLimits, Waking,
};
use workflow::memory::{InProcessScheduler, InProcessStreamer};
use workflow::prelude::{MySql, Postgres};
use workflow::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

use super::database::{Database, Kind};

/// How many changes the commits had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes(Arc<Mutex<Vec<f64>>>);

impl Sizes {
    pub(super) fn note(&self, changes: usize) {
        // A commit of deletions alone is no transaction that changes runs.
        if changes > 0 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(changes as f64);
        }
    }

    /// Those since the last call.
    pub(crate) fn take(&self) -> Vec<f64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How an engine commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// As the store says.
    Grouped,
    /// Each change in a transaction of its own, one at a time.
    Single,
}

/// A backend on a database, and the sizes of its commits.
pub(crate) async fn backend(database: &Database, how: How) -> anyhow::Result<(Backend, Sizes)> {
    let url = database.url()?;
    let sizes = Sizes::default();
    let backend = match database.kind {
        Kind::MariaDb => over(MySql::connect(&url).await?.store().clone(), how, sizes.clone()),
        Kind::Postgres => over(Postgres::connect(&url).await?.store().clone(), how, sizes.clone()),
    };
    Ok((backend, sizes))
}

fn over(store: impl Store, how: How, sizes: Sizes) -> Backend {
    Backend::new(Tuned { store, how, sizes }, InProcessStreamer::new(), InProcessScheduler::new())
}

/// A store, decorated.
struct Tuned<S> {
    store: S,
    how: How,
    sizes: Sizes,
}

impl<S: Store> Store for Tuned<S> {
    fn limits(&self) -> StoreLimits {
        match self.how {
            How::Grouped => self.store.limits(),
            How::Single => StoreLimits { batch_changes_max: 1, committers: 1, ..self.store.limits() },
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.store.clock()
    }

    fn waking(&self) -> Waking {
        self.store.waking()
    }

    async fn start_engine(&self) -> Result<(), BackendError> {
        self.store.start_engine().await
    }

    async fn stop_engine(&self) {
        self.store.stop_engine().await;
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        if self.how == How::Grouped || changes.len() < 2 {
            self.sizes.note(changes.len());
            return self.store.commit(changes, acked).await;
        }
        // What one call hands in together is a batch for the engine, whatever the limit.
        let (mut outcomes, mut acked) = (Vec::with_capacity(changes.len()), acked);
        for change in changes {
            self.sizes.note(1);
            outcomes.append(&mut self.store.commit(vec![change], std::mem::take(&mut acked)).await?);
        }
        Ok(outcomes)
    }

    async fn lookup(&self, run_ids: &[RunId]) -> Result<Vec<Found>, BackendError> {
        self.store.lookup(run_ids).await
    }

    async fn latest(
        &self,
        workflow_name: &WorkflowName,
        foreign_id: &ForeignId,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        self.store.latest(workflow_name, foreign_id).await
    }

    async fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        self.store.started_by(workflow_name, key).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        self.store.list(query).await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        self.store.history(query).await
    }

    async fn entered(&self, runs: &[(RunId, StatusCode)]) -> Result<Vec<bool>, BackendError> {
        self.store.entered(runs).await
    }

    async fn outbox(&self, after: Option<&str>, limit: usize) -> Result<OutboxPage, BackendError> {
        self.store.outbox(after, limit).await
    }

    async fn due(&self, workflows: &[WorkflowName], limit: usize) -> Result<DueWork, BackendError> {
        self.store.due(workflows, limit).await
    }

    async fn retry(&self, key: &RetryKey) -> Result<Option<RetryRow>, BackendError> {
        self.store.retry(key).await
    }

    async fn inbox(&self, run_id: RunId, status: StatusCode) -> Result<Vec<Callback>, BackendError> {
        self.store.inbox(run_id, status).await
    }

    async fn last_slot(&self, schedule: &SlotKey) -> Result<Option<Timestamp>, BackendError> {
        self.store.last_slot(schedule).await
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        self.store.dead_letters(limit).await
    }

    async fn register(&self, role: &RoleName, claim: EpochClaim) -> Result<Option<Epoch>, BackendError> {
        self.store.register(role, claim).await
    }

    async fn driverless(
        &self,
        workflow_name: &WorkflowName,
        untouched_for: Duration,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<DriverlessSlice, BackendError> {
        self.store.driverless(workflow_name, untouched_for, after, limit).await
    }

    async fn purge(
        &self,
        workflow_name: &WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> Result<u64, BackendError> {
        self.store.purge(workflow_name, older_than, limit).await
    }
}
