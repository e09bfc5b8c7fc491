//! The store over a PostgreSQL database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use workflow_core::adapter::{
    BackendError, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork, EpochClaim,
    ErrorKind, Found, HistoryQuery, ListPage, ListQuery, OutboxPage, Outcome, RetryKey, RetryRow, SlotKey,
    Store, StoreLimits, Waking,
};
use workflow_core::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

use super::connect::Conn;
use super::error::{Class, class};
use super::right::EngineRight;
use super::transaction::Database;
use super::{commit, due, list, maintain, outbox, read};

/// How many changes one transaction takes best.
const BATCH_MAX: usize = 2048;

/// How many commits are under way at once: while one waits for the disk, the other is worked on.
const COMMITTERS: usize = 2;

/// How often a read is tried whose connection is lost: it may have been lost long ago.
const READS_MAX: u32 = 3;

/// A store in a PostgreSQL database. Clones share its connections.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    database: Database,
    settings: Settings,
    right: Mutex<Option<EngineRight>>,
}

/// What the store tells the engine of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) object_bytes_max: usize,
    pub(super) poll_every: Duration,
}

impl PostgresStore {
    pub(super) fn new(database: Database, settings: Settings) -> Self {
        Self(Arc::new(Inner { database, settings, right: Mutex::default() }))
    }

    pub(super) fn database(&self) -> &Database {
        &self.0.database
    }

    /// The connections that the store uses.
    pub fn pool(&self) -> &sqlx::PgPool {
        self.0.database.pool()
    }

    /// The database in messages, without user and password.
    pub fn place(&self) -> &str {
        self.0.database.place().name()
    }

    /// Closes the connections; whatever is asked afterwards fails.
    pub async fn close(&self) {
        Store::stop_engine(self).await;
        self.pool().close().await;
    }
}

/// Runs a query, again if its connection was lost, and says what it was for if it fails.
macro_rules! read {
    ($store:ident, $what:literal, |$connection:ident| $query:expr) => {{
        let database = &$store.0.database;
        let mut tries = 0;
        loop {
            tries += 1;
            let read = async {
                let mut connection = database.connection(tries > 1).await?;
                let $connection = &mut Conn::new(&mut *connection, database.statements());
                $query.await
            };
            match read.await {
                Ok(read) => break Ok(read),
                Err(error) if tries < READS_MAX && class(&error) == Class::Lost => {}
                Err(error) => break Err(database.place().wrap($what, error)),
            }
        }
    }};
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

    async fn start_engine(&self) -> Result<(), BackendError> {
        let mut right = self.0.right.lock().await;
        if right.is_some() {
            let context = format!("an engine runs on {} in this process already", self.place());
            return Err(BackendError::new(ErrorKind::AlreadyRunning, context));
        }
        *right = Some(EngineRight::take(self.0.database.place(), self.0.database.statements()).await?);
        Ok(())
    }

    async fn stop_engine(&self) {
        if let Some(right) = self.0.right.lock().await.take() {
            right.give_back().await;
        }
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        commit::commit(&self.0.database, changes, acked).await
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
        read!(self, "look a foreign id up", |connection| read::latest(connection, name, key))?
    }

    async fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let (name, key) = (workflow_name.as_str(), key.as_str());
        read!(self, "look a start key up", |connection| read::started_by(connection, name, key))?
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
        read!(self, "read the outbox", |connection| outbox::outbox(connection, after, limit))
    }

    async fn due(&self, workflows: &[WorkflowName], limit: usize) -> Result<DueWork, BackendError> {
        let clock = self.0.database.clock();
        read!(self, "read what is due", |connection| due::due(
            connection,
            workflows,
            limit,
            clock.parameter()
        ))
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
        if self.0.right.lock().await.as_ref().is_some_and(|right| !right.is_held()) {
            let context =
                format!("the right to run engines on {} was lost and is not had again yet", self.place());
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
        read!(self, "look for runs that nothing drives", |connection| maintain::driverless(
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
