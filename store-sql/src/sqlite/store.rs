//! The store over one SQLite file.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::pool::PoolConnection;
use workflow_core::adapter::{
    BackendError, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork, Effect, EpochClaim,
    ErrorKind, Found, HistoryQuery, ListPage, ListQuery, OutboxPage, Outcome, RetryKey, RetryRow, SlotKey,
    Store, StoreLimits, Waking,
};
use workflow_core::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

use super::lock::EngineLock;
use super::open::Place;
use super::writer::Writer;
use super::{commit, due, list, maintain, read};

/// How many changes one transaction takes best.
const BATCH_MAX: usize = 2048;

/// A store in a SQLite file. Clones share its connections.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    writer: Writer,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
    settings: Settings,
    lock: Mutex<Option<EngineLock>>,
}

/// What the store tells the engine of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) object_bytes_max: usize,
    pub(super) poll_every: Duration,
}

impl SqliteStore {
    pub(super) fn new(
        writer: Writer,
        readers: SqlitePool,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Inner { writer, readers, clock, settings, lock: Mutex::default() }))
    }

    /// The file.
    pub fn file(&self) -> &Path {
        self.place().file()
    }

    fn place(&self) -> &Place {
        self.0.writer.place()
    }

    async fn reader(&self, what: &str) -> Result<PoolConnection<sqlx::Sqlite>, BackendError> {
        self.0.readers.acquire().await.map_err(|error| self.place().wrap(what, error))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<EngineLock>> {
        self.0.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a query on a reader and says what it was for if it fails.
macro_rules! read {
    ($store:ident, $what:literal, |$connection:ident| $query:expr) => {{
        let mut reader = $store.reader($what).await?;
        let $connection = &mut *reader;
        $query.await.map_err(|error| $store.place().wrap($what, error))
    }};
}

impl Store for SqliteStore {
    fn limits(&self) -> StoreLimits {
        StoreLimits {
            object_bytes_max: self.0.settings.object_bytes_max,
            batch_changes_max: BATCH_MAX,
            committers: 1,
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    fn waking(&self) -> Waking {
        Waking::Poll(self.0.settings.poll_every)
    }

    async fn start_engine(&self) -> Result<(), BackendError> {
        let mut lock = self.lock();
        if lock.is_some() {
            let context = format!("an engine runs on {} in this process already", self.file().display());
            return Err(BackendError::new(ErrorKind::AlreadyRunning, context));
        }
        *lock = Some(EngineLock::take(self.file())?);
        Ok(())
    }

    async fn stop_engine(&self) {
        *self.lock() = None;
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        let now = self.0.clock.now();
        let is_attached =
            |change: &Change| change.effects.iter().any(|effect| matches!(effect, Effect::Attached(_)));
        if !changes.iter().any(is_attached) {
            return self
                .0
                .writer
                .transaction("commit", move |connection| {
                    Box::pin(async move { commit::commit(connection, changes, &acked, now).await })
                })
                .await;
        }
        // Each change with work of the user's goes in a transaction of its own, which may be long and may fail.
        let mut outcomes: Vec<Option<Outcome>> = vec![None; changes.len()];
        let (alone, together): (Vec<_>, Vec<_>) =
            changes.into_iter().enumerate().partition(|(_, change)| is_attached(change));
        let (places, plain): (Vec<usize>, Vec<Change>) = together.into_iter().unzip();
        let stored = self
            .0
            .writer
            .transaction("commit", move |connection| {
                Box::pin(async move { commit::commit(connection, plain, &acked, now).await })
            })
            .await?;
        for (place, outcome) in places.into_iter().zip(stored) {
            outcomes[place] = Some(outcome);
        }
        for (place, change) in alone {
            let made = self
                .0
                .writer
                .transaction("commit", move |connection| {
                    Box::pin(async move { commit::commit_attached(connection, change, now).await })
                })
                .await;
            // The others are stored: this one alone is to be tried again.
            outcomes[place] = Some(made.unwrap_or(Outcome::Busy));
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Busy)).collect())
    }

    async fn lookup(&self, run_ids: &[RunId]) -> Result<Vec<Found>, BackendError> {
        read!(self, "look runs up", |connection| read::lookup(connection, run_ids))
    }

    async fn latest(
        &self,
        workflow_name: &WorkflowName,
        foreign_id: &ForeignId,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let (name, key) = (workflow_name.as_str(), foreign_id.as_str());
        let live = "workflow_name = ? and foreign_id = ? and live = 1";
        let newest = "workflow_name = ? and foreign_id = ? order by created_at desc, run_id desc limit 1";
        let found =
            read!(self, "look a foreign id up", |connection| read::one(connection, live, name, key))??;
        if found.is_some() {
            return Ok(found);
        }
        read!(self, "look a foreign id up", |connection| read::one(connection, newest, name, key))?
    }

    async fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let by_key = "workflow_name = ? and start_key = ?";
        let (name, key) = (workflow_name.as_str(), key.as_str());
        read!(self, "look a start key up", |connection| read::one(connection, by_key, name, key))?
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        read!(self, "list runs", |connection| list::list(connection, query))
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        read!(self, "read a history", |connection| read::history(connection, query))?
    }

    async fn entered(&self, runs: &[(RunId, StatusCode)]) -> Result<Vec<bool>, BackendError> {
        read!(self, "read histories", |connection| read::entered(connection, runs))
    }

    async fn outbox(&self, after: Option<&str>, limit: usize) -> Result<OutboxPage, BackendError> {
        let after = after.map(str::to_owned);
        read!(self, "read the outbox", |connection| read::outbox(connection, after, limit))
    }

    async fn due(&self, workflows: &[WorkflowName], limit: usize) -> Result<DueWork, BackendError> {
        let now = self.0.clock.now();
        read!(self, "read what is due", |connection| due::due(connection, workflows, limit, now))
    }

    async fn retry(&self, key: &RetryKey) -> Result<Option<RetryRow>, BackendError> {
        read!(self, "read a retry row", |connection| read::retry(connection, key))
    }

    async fn inbox(&self, run_id: RunId, status: StatusCode) -> Result<Vec<Callback>, BackendError> {
        read!(self, "read the inbox", |connection| read::inbox(connection, run_id, status))
    }

    async fn last_slot(&self, schedule: &SlotKey) -> Result<Option<Timestamp>, BackendError> {
        read!(self, "read a schedule's slots", |connection| read::last_slot(connection, schedule))
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        read!(self, "read dead letters", |connection| read::dead_letters(connection, limit))
    }

    async fn register(&self, role: &RoleName, claim: EpochClaim) -> Result<Option<Epoch>, BackendError> {
        let role = role.as_str().to_owned();
        self.0
            .writer
            .transaction("register a role", move |connection| {
                Box::pin(async move { maintain::register(connection, &role, claim).await })
            })
            .await
    }

    async fn driverless(
        &self,
        workflow_name: &WorkflowName,
        untouched_for: Duration,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<DriverlessSlice, BackendError> {
        let before = self.0.clock.now().before(untouched_for);
        let name = workflow_name.as_str();
        read!(self, "look for runs that nothing drives", |connection| maintain::driverless(
            connection, name, before, after, limit
        ))
    }

    async fn purge(
        &self,
        workflow_name: &WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> Result<u64, BackendError> {
        let before = self.0.clock.now().before(older_than);
        let name = workflow_name.as_str().to_owned();
        self.0
            .writer
            .transaction("purge", move |connection| {
                Box::pin(async move { maintain::purge(connection, &name, before, limit).await })
            })
            .await
    }
}
