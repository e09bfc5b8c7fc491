//! The store over a PostgreSQL database.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;
use workflow_core::adapter::{
    BackendError, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork, EpochClaim,
    ErrorKind, Found, HistoryQuery, ListPage, ListQuery, OutboxPage, Outcome, Reach, RetryKey, RetryRow,
    SlotKey, Store, StoreLimits, Waking,
};
use workflow_core::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

use super::display::Display;
use super::reading::read;
use super::right::EngineRight;
use super::transaction::Database;
use super::{commit, due, maintain, outbox, read};
use crate::held::Held;
use crate::ringer::{Ringer, rings};

/// How many changes one transaction takes best.
const BATCH_MAX: usize = 2048;

/// How many commits are under way at once: while one waits for the disk, the other is worked on.
const COMMITTERS: usize = 2;

/// A store in a PostgreSQL database. Clones share its connections.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    database: Database,
    display: Display,
    settings: Settings,
    right: Mutex<Option<Held<EngineRight>>>,
    ringer: OnceLock<Ringer>,
}

/// What the store tells the engine of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) object_bytes_max: usize,
    pub(super) poll_every: Duration,
}

impl PostgresStore {
    pub(super) fn new(database: Database, display: Display, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            database,
            display,
            settings,
            right: Mutex::default(),
            ringer: OnceLock::new(),
        }))
    }

    pub(super) fn primary(&self) -> &Database {
        &self.0.database
    }

    /// The connections that the store uses.
    pub fn pool(&self) -> &sqlx::PgPool {
        self.0.database.pool()
    }

    /// Rings the relays of this database from now on, whenever this handle or one of its clones has stored something for
    /// them. For programs whose outbox is published by relays in processes of their own.
    pub fn ring_relays(&self) {
        let store = Arc::downgrade(&self.0);
        self.0.ringer.get_or_init(|| Ringer::start(move || store.upgrade().map(Self)));
    }

    /// Where the database is, without the password.
    pub fn database(&self) -> &str {
        self.0.database.place().name()
    }

    /// Closes the connections; whatever is asked afterwards fails.
    pub async fn close(&self) {
        Store::stop_engine(self).await;
        self.pool().close().await;
        self.0.display.close().await;
    }
}

impl Store for PostgresStore {
    fn limits(&self) -> StoreLimits {
        StoreLimits {
            object_bytes_max: self.0.settings.object_bytes_max,
            batch_changes_max: BATCH_MAX,
            committers: COMMITTERS,
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.database.clock().as_clock()
    }

    fn waking(&self) -> Waking {
        Waking::Poll(self.0.settings.poll_every)
    }

    async fn start_engine(&self, reach: Reach) -> Result<(), BackendError> {
        let mut right = self.0.right.lock().await;
        if let Some(held) = &mut *right {
            return held.join(reach, self.database());
        }
        let database = &self.0.database;
        let taken = EngineRight::take(database.place(), database.statements(), reach).await?;
        *right = Some(Held::by(taken, reach));
        Ok(())
    }

    async fn stop_engine(&self) {
        let mut right = self.0.right.lock().await;
        if let Some(last) = Held::leave(&mut right) {
            last.give_back().await;
        }
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        let ringer = self.0.ringer.get().filter(|_| rings(&changes));
        let outcomes = commit::commit(&self.0.database, changes, acked).await?;
        if let Some(ringer) = ringer {
            ringer.ring();
        }
        Ok(outcomes)
    }

    async fn lookup(&self, run_ids: &[RunId]) -> Result<Vec<Found>, BackendError> {
        read!(self.0.database, "look runs up", |connection| read::lookup(connection, run_ids))
    }

    async fn latest(
        &self,
        workflow_name: &WorkflowName,
        foreign_id: &ForeignId,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let (name, key) = (workflow_name.as_str(), foreign_id.as_str());
        read!(self.0.database, "look a foreign id up", |connection| read::latest(connection, name, key))?
    }

    async fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let (name, key) = (workflow_name.as_str(), key.as_str());
        read!(self.0.database, "look a start key up", |connection| read::started_by(connection, name, key))?
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        self.0.display.list(query).await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        self.0.display.history(query).await
    }

    async fn entered(&self, runs: &[(RunId, StatusCode)]) -> Result<Vec<bool>, BackendError> {
        read!(self.0.database, "read histories", |connection| read::entered(connection, runs))
    }

    async fn outbox(&self, after: Option<&str>, limit: usize) -> Result<OutboxPage, BackendError> {
        read!(self.0.database, "read the outbox", |connection| outbox::outbox(connection, after, limit))
    }

    async fn due(&self, workflows: &[WorkflowName], limit: usize) -> Result<DueWork, BackendError> {
        let clock = self.0.database.clock();
        read!(self.0.database, "read what is due", |connection| due::due(
            connection,
            workflows,
            limit,
            clock.parameter()
        ))
    }

    async fn retry(&self, key: &RetryKey) -> Result<Option<RetryRow>, BackendError> {
        Ok(self.retries(std::slice::from_ref(key)).await?.pop().flatten())
    }

    async fn retries(&self, keys: &[RetryKey]) -> Result<Vec<Option<RetryRow>>, BackendError> {
        read!(self.0.database, "read retry rows", |connection| read::retries(connection, keys))
    }

    async fn waiting_retries(&self, workflow: &WorkflowName, limit: usize) -> Result<u64, BackendError> {
        read!(self.0.database, "count the retries that wait", |connection| due::waiting_retries(
            connection, workflow, limit
        ))
    }

    async fn inbox(&self, run_id: RunId, status: StatusCode) -> Result<Vec<Callback>, BackendError> {
        read!(self.0.database, "read the inbox", |connection| read::inbox(connection, run_id, status))
    }

    async fn last_slot(&self, schedule: &SlotKey) -> Result<Option<Timestamp>, BackendError> {
        read!(self.0.database, "read a schedule's slots", |connection| read::last_slot(connection, schedule))
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        self.0.display.dead_letters(limit).await
    }

    async fn register(&self, role: &RoleName, claim: EpochClaim) -> Result<Option<Epoch>, BackendError> {
        if self.0.right.lock().await.as_ref().is_some_and(|held| !held.right.is_held()) {
            let context =
                format!("the right to run engines on {} was lost and is not had again yet", self.database());
            return Err(BackendError::new(ErrorKind::AlreadyRunning, context));
        }
        let role = role.clone();
        let register = self.0.database.transaction("register a role", move |tx| {
            let role = role.clone();
            Box::pin(async move { maintain::register(tx, role.as_str(), claim).await })
        });
        register.await
    }

    async fn driverless(
        &self,
        workflow_name: &WorkflowName,
        untouched_for: Duration,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<DriverlessSlice, BackendError> {
        let (name, clock) = (workflow_name.as_str(), self.0.database.clock());
        read!(self.0.database, "look for runs that nothing drives", |connection| maintain::driverless(
            connection,
            name,
            untouched_for,
            after,
            limit,
            clock.parameter()
        ))
    }

    async fn purge(
        &self,
        workflow_name: &WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> Result<u64, BackendError> {
        let name = workflow_name.clone();
        let purge = self.0.database.transaction("purge", move |tx| {
            let name = name.clone();
            Box::pin(async move { maintain::purge(tx, name.as_str(), older_than, limit).await })
        });
        purge.await
    }
}
