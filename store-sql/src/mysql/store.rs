//! The store over one database.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use workflow_core::adapter::{
    BackendError, Callback, Change, Clock, Cursor, DeadLetter, DriverlessSlice, DueWork, EpochClaim,
    ErrorKind, Found, HistoryQuery, ListPage, ListQuery, OutboxPage, Outcome, Reach, RetryKey, RetryRow,
    SlotKey, Store, StoreLimits, SystemClock, Waking,
};
use workflow_core::{
    Epoch, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, StatusCode, Timestamp,
    WorkflowName,
};

use super::display::Display;
use super::doubt::{self, Fate};
use super::right::EngineRight;
use super::server::Server;
use super::transaction::{Ended, Made};
use super::work::Work;
use super::{commit, due, maintain, read};
use crate::attached::{is_attached, outcome_of};
use crate::held::Held;
use crate::hindrances::Hindrances;
use crate::ringer::{Ringer, rings};

/// How many changes one transaction takes best.
const BATCH_MAX: usize = 512;

/// How many transactions at once make the server as busy as it can usefully be.
const COMMITTERS: usize = 2;

/// How often changes whose commit was not answered are made again.
const DOUBTS_MAX: u32 = 3;

/// How long a change whose run somebody holds waits before it is tried again; it doubles with each time.
const BUSY_WAIT: Duration = Duration::from_millis(2);

/// The longest such wait; after it the change is answered as busy. A commit waits for all its changes, so this is also
/// how long somebody who holds a run can hold others up, twice.
const BUSY_WAIT_MAX: Duration = Duration::from_millis(256);

/// Runs a query in a task of its own; what it needs is cloned into each attempt.
macro_rules! read {
    ($store:ident, $what:literal, [$($owned:ident),*], |$connection:ident| $query:expr) => {
        $store
            .0
            .server
            .read($what, move |mut $connection| {
                $(let $owned = $owned.clone();)*
                Box::pin(async move {
                    let $connection = &mut $connection;
                    $query.await
                })
            })
            .await
    };
}

/// A store in a MariaDB or MySQL database. Clones share its connections.
#[derive(Clone)]
pub struct MySqlStore(Arc<Inner>);

struct Inner {
    server: Arc<Server>,
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

impl MySqlStore {
    pub(super) fn new(server: Arc<Server>, display: Display, settings: Settings) -> Self {
        Self(Arc::new(Inner { server, display, settings, right: Mutex::default(), ringer: OnceLock::new() }))
    }

    /// Where the database is, without the password.
    pub fn database(&self) -> &str {
        self.0.server.name()
    }

    /// Rings the relays of this database from now on, whenever this handle or one of its clones has stored something for
    /// them. For programs whose outbox is published by relays in processes of their own.
    pub fn ring_relays(&self) {
        let store = Arc::downgrade(&self.0);
        self.0.ringer.get_or_init(|| Ringer::start(move || store.upgrade().map(Self)));
    }

    /// The connections that the store uses.
    pub fn pool(&self) -> &sqlx::MySqlPool {
        &self.0.server.pool
    }

    /// Closes the connections; whatever is asked afterwards fails.
    pub async fn close(&self) {
        Store::stop_engine(self).await;
        self.0.server.pool.close().await;
        self.0.display.close().await;
    }

    pub(super) fn server(&self) -> &Arc<Server> {
        &self.0.server
    }

    /// Refuses what an engine of this process stores once another process has taken its right.
    async fn check_right(&self, changes: &[Change]) -> Result<(), BackendError> {
        if changes.iter().all(|change| change.fence.is_none()) {
            return Ok(());
        }
        self.0.right.lock().await.as_ref().map_or(Ok(()), |held| held.right.check(&self.0.server))
    }

    /// Makes all changes but those with attached work, in one transaction; again if its commit was not answered and
    /// nothing of it is stored.
    async fn commit_together(&self, work: &Arc<Work>) -> Result<Vec<Outcome>, BackendError> {
        if work.acked.is_empty() && work.changes.iter().all(is_attached) {
            return Ok(Vec::new());
        }
        let mut doubts = 0;
        loop {
            let (outcomes, error) = match self.try_together(Arc::clone(work)).await? {
                Made::Surely(outcomes) => return Ok(outcomes),
                Made::InDoubt(outcomes, error) => (outcomes, error),
            };
            match doubt::fate(&self.0.server, work, &outcomes).await {
                Fate::Stored => return Ok(outcomes),
                Fate::NotStored if doubts < DOUBTS_MAX => doubts += 1,
                Fate::NotStored | Fate::Unknown => return Err(error),
            }
        }
    }

    async fn try_together(&self, work: Arc<Work>) -> Result<Made<Vec<Outcome>>, BackendError> {
        self.0
            .server
            .try_transaction("commit", move |mut connection, now| {
                let work = Arc::clone(&work);
                Box::pin(async move {
                    let changes = work.together().collect();
                    Ok(Ended::Commit(commit::commit(&mut connection, changes, &work.acked, now).await?))
                })
            })
            .await
    }

    /// Makes a change in a transaction of its own, because the user's work is attached to it or somebody held its run.
    async fn commit_alone(&self, work: &Arc<Work>, place: usize) -> Result<Outcome, BackendError> {
        let (mut wait, hindrances) = (BUSY_WAIT, Arc::new(Hindrances::default()));
        let limit = self.0.server.idle_transaction();
        loop {
            let shared = (Arc::clone(work), Arc::clone(&hindrances));
            let made = self.0.server.transaction("commit alone", move |mut connection, now| {
                let (work, hindrances) = shared.clone();
                Box::pin(async move {
                    let change = &work.changes[place];
                    commit::commit_alone(&mut connection, change, now, &hindrances, limit).await
                })
            });
            let outcome = match made.await {
                Err(error) if error.kind() == ErrorKind::UnknownOutcome => {
                    return self.resolve(work, place).await?.ok_or(error);
                }
                made => made?,
            };
            if outcome != Outcome::Busy || wait > BUSY_WAIT_MAX {
                return Ok(outcome);
            }
            SystemClock::new().sleep(wait.mul_f64(fastrand::f64())).await;
            wait *= 2;
        }
    }

    /// What became of a change whose commit was not answered, by its event; `None` if that cannot tell.
    async fn resolve(&self, work: &Work, place: usize) -> Result<Option<Outcome>, BackendError> {
        let Some(wanted) = &work.changes[place].record else { return Ok(None) };
        let run_id = wanted.run_id;
        let found =
            read!(self, "find out what was stored", [], |connection| read::settled(connection, run_id))??;
        let is_it = |found: &Arc<Record>| {
            found.version == wanted.version && found.last_event_id == wanted.last_event_id
        };
        let stored = found.filter(|found| wanted.last_event_id.is_some() && is_it(found));
        Ok(Some(stored.map_or(Outcome::Busy, |record| Outcome::Stored(Some(record)))))
    }
}

impl Store for MySqlStore {
    fn limits(&self) -> StoreLimits {
        StoreLimits {
            object_bytes_max: self.0.settings.object_bytes_max,
            batch_changes_max: BATCH_MAX,
            committers: COMMITTERS,
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.server.clock.as_clock()
    }

    fn waking(&self) -> Waking {
        Waking::Poll(self.0.settings.poll_every)
    }

    async fn start_engine(&self, reach: Reach) -> Result<(), BackendError> {
        let mut right = self.0.right.lock().await;
        if let Some(held) = &mut *right {
            return held.join(reach, self.database());
        }
        *right = Some(Held::by(EngineRight::take(&self.0.server, reach).await?, reach));
        Ok(())
    }

    async fn stop_engine(&self) {
        let mut right = self.0.right.lock().await;
        if let Some(last) = Held::leave(&mut right) {
            last.release().await;
        }
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        self.check_right(&changes).await?;
        let ringer = self.0.ringer.get().filter(|_| rings(&changes));
        let work = Arc::new(Work { changes, acked });
        let mut outcomes: Vec<Outcome> = vec![Outcome::Busy; work.changes.len()];
        let mut stored = self.commit_together(&work).await?.into_iter();
        for (change, outcome) in work.changes.iter().zip(&mut outcomes) {
            if !is_attached(change) {
                *outcome = stored.next().unwrap_or(Outcome::Busy);
            }
        }
        let busy = |place: &usize| outcomes[*place] == Outcome::Busy;
        let alone: Vec<usize> = (0..outcomes.len()).filter(busy).collect();
        let made = join_all(alone.iter().map(|place| self.commit_alone(&work, *place))).await;
        for (place, made) in alone.into_iter().zip(made) {
            // The others are stored: this one alone is to be judged and tried again.
            outcomes[place] = made.unwrap_or_else(|error| match is_attached(&work.changes[place]) {
                true => outcome_of(&error),
                false => {
                    tracing::warn!(error = %error, "a change that was made alone is not known to be stored");
                    Outcome::Busy
                }
            });
        }
        if let Some(ringer) = ringer {
            ringer.ring();
        }
        Ok(outcomes)
    }

    async fn lookup(&self, run_ids: &[RunId]) -> Result<Vec<Found>, BackendError> {
        let run_ids: Arc<[RunId]> = run_ids.into();
        read!(self, "look runs up", [run_ids], |connection| read::lookup(connection, &run_ids))
    }

    async fn latest(
        &self,
        workflow_name: &WorkflowName,
        foreign_id: &ForeignId,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let (name, key) = (workflow_name.clone(), foreign_id.clone());
        read!(self, "look a foreign id up", [name, key], |connection| read::latest(
            connection,
            name.as_str(),
            key.as_str()
        ))?
    }

    async fn started_by(
        &self,
        workflow_name: &WorkflowName,
        key: &StartKey,
    ) -> Result<Option<Arc<Record>>, BackendError> {
        let (name, key) = (workflow_name.clone(), key.clone());
        read!(self, "look a start key up", [name, key], |connection| read::started_by(
            connection,
            name.as_str(),
            key.as_str()
        ))?
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        self.0.display.list(query).await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        self.0.display.history(query).await
    }

    async fn entered(&self, runs: &[(RunId, StatusCode)]) -> Result<Vec<bool>, BackendError> {
        let runs: Arc<[(RunId, StatusCode)]> = runs.into();
        read!(self, "read histories", [runs], |connection| read::entered(connection, &runs))
    }

    async fn outbox(&self, after: Option<&str>, limit: usize) -> Result<OutboxPage, BackendError> {
        let after: Option<Arc<str>> = after.map(Arc::from);
        read!(self, "read the outbox", [after], |connection| read::outbox(
            connection,
            after.as_deref(),
            limit
        ))
    }

    async fn due(&self, workflows: &[WorkflowName], limit: usize) -> Result<DueWork, BackendError> {
        let workflows: Arc<[WorkflowName]> = workflows.into();
        let clock = self.0.server.clock.clone();
        read!(self, "read what is due", [workflows, clock], |connection| due::due(
            connection, &workflows, limit, &clock
        ))
    }

    async fn retry(&self, key: &RetryKey) -> Result<Option<RetryRow>, BackendError> {
        Ok(self.retries(std::slice::from_ref(key)).await?.pop().flatten())
    }

    async fn retries(&self, keys: &[RetryKey]) -> Result<Vec<Option<RetryRow>>, BackendError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Arc<[RetryKey]> = keys.into();
        read!(self, "read retry rows", [keys], |connection| read::retries(connection, &keys))
    }

    async fn waiting_retries(&self, workflow: &WorkflowName, most: usize) -> Result<u64, BackendError> {
        let name = workflow.clone();
        read!(self, "count the retries that wait", [name], |to| due::waiting_retries(to, &name, most))
    }

    async fn inbox(&self, run_id: RunId, status: StatusCode) -> Result<Vec<Callback>, BackendError> {
        read!(self, "read the inbox", [], |connection| read::inbox(connection, run_id, status))
    }

    async fn last_slot(&self, schedule: &SlotKey) -> Result<Option<Timestamp>, BackendError> {
        let schedule = Arc::new(schedule.clone());
        read!(self, "read a schedule's slots", [schedule], |connection| read::last_slot(
            connection, &schedule
        ))
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        self.0.display.dead_letters(limit).await
    }

    async fn register(&self, role: &RoleName, claim: EpochClaim) -> Result<Option<Epoch>, BackendError> {
        let role = role.clone();
        self.0
            .server
            .transaction("register a role", move |mut connection, _| {
                let role = role.clone();
                Box::pin(async move {
                    Ok(Ended::Commit(maintain::register(&mut connection, role.as_str(), claim).await?))
                })
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
        let (name, clock) = (workflow_name.clone(), self.0.server.clock.clone());
        read!(self, "look for runs that nothing drives", [name, clock], |connection| async {
            let before = clock.now(connection.raw()).await?.before(untouched_for);
            maintain::driverless(connection, name.as_str(), before, after, limit).await
        })
    }

    async fn purge(
        &self,
        workflow_name: &WorkflowName,
        older_than: Duration,
        limit: usize,
    ) -> Result<u64, BackendError> {
        let name = workflow_name.clone();
        self.0
            .server
            .transaction("purge", move |mut connection, now| {
                let name = name.clone();
                Box::pin(async move {
                    let before = now.before(older_than);
                    Ok(Ended::Commit(maintain::purge(&mut connection, name.as_str(), before, limit).await?))
                })
            })
            .await
    }
}
