//! The store over one SQLite file.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sqlx::SqlitePool;
use workflow_core::adapter::{
    BackendError, BoxFuture, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork,
    EpochClaim, ErrorKind, Found, HistoryQuery, ListPage, ListQuery, OutboxPage, Outcome, Reach, RetryKey,
    RetryRow, SlotKey, Store, StoreLimits, Waking,
};
use workflow_core::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

use super::damaged::Damaged;
use super::lock::EngineLock;
use super::open::{Conn, Place};
use super::writer::Writer;
use super::{commit, due, list, maintain, read};
use crate::attached::{is_attached, outcome_of};
use crate::held::Held;
use crate::ringer::{Ringer, rings};

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
    lock: Mutex<Option<Held<EngineLock>>>,
    ringer: OnceLock<Ringer>,
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
        Self(Arc::new(Inner {
            writer,
            readers,
            clock,
            settings,
            lock: Mutex::default(),
            ringer: OnceLock::new(),
        }))
    }

    /// The file.
    pub fn file(&self) -> &Path {
        self.place().file()
    }

    /// Rings the relays of this database from now on, whenever this handle or one of its clones has stored something for
    /// them. For programs whose outbox is published by relays in processes of their own.
    pub fn ring_relays(&self) {
        let store = Arc::downgrade(&self.0);
        self.0.ringer.get_or_init(|| Ringer::start(move || store.upgrade().map(Self)));
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.0.writer
    }

    fn place(&self) -> &Place {
        self.0.writer.place()
    }

    /// Has a query answered by a reader, in a task of its own: a caller that does not poll for a while, as one of many
    /// futures that one task drives, must not keep a connection from the engine.
    pub(super) async fn read<V, Q>(&self, what: &'static str, query: Q) -> Result<V, BackendError>
    where
        V: Send + 'static,
        Q: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<V, sqlx::Error>> + Send + 'static,
    {
        let (readers, statements) = (self.0.readers.clone(), self.0.writer.statements().clone());
        let read = tokio::spawn(async move {
            let mut reader = readers.acquire().await?;
            query(Conn::new(&mut *reader, &statements)).await
        });
        match read.await {
            Ok(answer) => answer.map_err(|error| self.place().wrap(what, error)),
            Err(ended) => {
                Err(BackendError::with_source(ErrorKind::Closed, format!("{what}: the reader ended"), ended))
            }
        }
    }

    /// Moves rows to the dead letters; one that cannot be moved now is found again.
    async fn set_aside(&self, damaged: Vec<Damaged>, now: Timestamp) {
        let moved = self.0.writer.transaction("set rows aside", move |mut connection| {
            Box::pin(async move {
                for row in &damaged {
                    row.set_aside(&mut connection, now).await?;
                }
                Ok(())
            })
        });
        if let Err(error) = moved.await {
            tracing::warn!(error = %error, "rows that cannot be read could not be set aside yet");
        }
    }

    async fn store_changes(
        &self,
        changes: Vec<Change>,
        acked: Vec<EventId>,
    ) -> Result<Vec<Outcome>, BackendError> {
        let now = self.0.clock.now();
        if !changes.iter().any(is_attached) {
            return self
                .0
                .writer
                .transaction("commit", move |mut connection| {
                    Box::pin(async move { commit::commit(&mut connection, changes, &acked, now).await })
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
            .transaction("commit", move |mut connection| {
                Box::pin(async move { commit::commit(&mut connection, plain, &acked, now).await })
            })
            .await?;
        for (place, outcome) in places.into_iter().zip(stored) {
            outcomes[place] = Some(outcome);
        }
        for (place, change) in alone {
            let made = self
                .0
                .writer
                .transaction("commit", move |mut connection| {
                    Box::pin(async move { commit::commit_attached(&mut connection, change, now).await })
                })
                .await;
            outcomes[place] = Some(made.unwrap_or_else(|error| outcome_of(&error)));
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Busy)).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held<EngineLock>>> {
        self.0.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    async fn start_engine(&self, reach: Reach) -> Result<(), BackendError> {
        let mut lock = self.lock();
        if let Some(held) = &mut *lock {
            return held.join(reach, &self.file().display().to_string());
        }
        let taken = EngineLock::take(self.file(), self.0.writer.statements().names(), reach)?;
        *lock = Some(Held::by(taken, reach));
        Ok(())
    }

    async fn stop_engine(&self) {
        // The file is then whole by itself: who copies it needs no other.
        self.0.writer.checkpoint().await;
        drop(Held::leave(&mut self.lock()));
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        let ringer = self.0.ringer.get().filter(|_| rings(&changes));
        let outcomes = self.store_changes(changes, acked).await?;
        if let Some(ringer) = ringer {
            ringer.ring();
        }
        Ok(outcomes)
    }

    async fn lookup(&self, run_ids: &[RunId]) -> Result<Vec<Found>, BackendError> {
        let run_ids = run_ids.to_vec();
        self.read("look runs up", move |mut reader| {
            Box::pin(async move { read::lookup(&mut reader, &run_ids).await })
        })
        .await
    }

    async fn latest(
        &self,
        workflow_name: &WorkflowName,
        foreign_id: &ForeignId,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let (name, key) = (workflow_name.clone(), foreign_id.clone());
        let found = self.read("look a foreign id up", move |mut reader| {
            Box::pin(async move { read::latest(&mut reader, name.as_str(), key.as_str()).await })
        });
        found.await?
    }

    async fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let (name, key) = (workflow_name.clone(), key.clone());
        let found = self.read("look a start key up", move |mut reader| {
            Box::pin(async move { read::started_by(&mut reader, name.as_str(), key.as_str()).await })
        });
        found.await?
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        let query = query.clone();
        self.read("list runs", move |mut reader| {
            Box::pin(async move { list::list(&mut reader, &query).await })
        })
        .await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        let query = *query;
        self.read("read a history", move |mut reader| {
            Box::pin(async move { read::history(&mut reader, query).await })
        })
        .await?
    }

    async fn entered(&self, runs: &[(RunId, StatusCode)]) -> Result<Vec<bool>, BackendError> {
        let runs = runs.to_vec();
        self.read("read histories", move |mut reader| {
            Box::pin(async move { read::entered(&mut reader, &runs).await })
        })
        .await
    }

    async fn outbox(&self, after: Option<&str>, limit: usize) -> Result<OutboxPage, BackendError> {
        let after = after.map(str::to_owned);
        self.read("read the outbox", move |mut reader| {
            Box::pin(async move { read::outbox(&mut reader, after, limit).await })
        })
        .await
    }

    async fn due(&self, workflows: &[WorkflowName], limit: usize) -> Result<DueWork, BackendError> {
        let now = self.0.clock.now();
        let names = workflows.to_vec();
        let due = self.read("read what is due", move |mut reader| {
            Box::pin(async move { due::due(&mut reader, &names, limit, now).await })
        });
        let (work, damaged) = due.await?;
        if !damaged.is_empty() {
            self.set_aside(damaged, now).await;
        }
        Ok(work)
    }

    async fn retry(&self, key: &RetryKey) -> Result<Option<RetryRow>, BackendError> {
        let key = key.clone();
        self.read("read a retry row", move |mut reader| {
            Box::pin(async move { read::retry(&mut reader, &key).await })
        })
        .await
    }

    async fn waiting_retries(&self, workflow: &WorkflowName, limit: usize) -> Result<u64, BackendError> {
        let workflow = workflow.clone();
        self.read("count the retries that wait", move |mut reader| {
            Box::pin(async move { due::waiting_retries(&mut reader, &workflow, limit).await })
        })
        .await
    }

    async fn inbox(&self, run_id: RunId, status: StatusCode) -> Result<Vec<Callback>, BackendError> {
        self.read("read the inbox", move |mut reader| {
            Box::pin(async move { read::inbox(&mut reader, run_id, status).await })
        })
        .await
    }

    async fn last_slot(&self, schedule: &SlotKey) -> Result<Option<Timestamp>, BackendError> {
        let key = schedule.clone();
        self.read("read a schedule's slots", move |mut reader| {
            Box::pin(async move { read::last_slot(&mut reader, &key).await })
        })
        .await
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        self.read("read dead letters", move |mut reader| {
            Box::pin(async move { read::dead_letters(&mut reader, limit).await })
        })
        .await
    }

    async fn register(&self, role: &RoleName, claim: EpochClaim) -> Result<Option<Epoch>, BackendError> {
        let role = role.as_str().to_owned();
        self.0
            .writer
            .transaction("register a role", move |mut connection| {
                Box::pin(async move { maintain::register(&mut connection, &role, claim).await })
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
        let name = workflow_name.clone();
        self.read("look for runs that nothing drives", move |mut reader| {
            Box::pin(
                async move { maintain::driverless(&mut reader, name.as_str(), before, after, limit).await },
            )
        })
        .await
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
            .transaction("purge", move |mut connection| {
                Box::pin(async move { maintain::purge(&mut connection, &name, before, limit).await })
            })
            .await
    }
}
