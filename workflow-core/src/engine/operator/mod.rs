//! What operators' tools do to runs of workflows whose definitions they do not have.

mod effects;
mod told;

use std::sync::Arc;

use super::callback::CONTENTION_MAX;
use super::core::unexpected;
use super::failure::shorten;
use super::moves::{OWED_AFTER, Stamp, entry, owed, put};
use crate::adapter::{
    BackendError, Change, DynStore, Effect, ErrorKind, Expect, HistoryQuery, Outcome, RetryKey, RetryRow,
};
use crate::{
    Actor, Event, EventId, GroupName, Move, PausedBy, Record, RunId, RunState, Topic, Transition, Version,
    apply, header,
};

use effects::{due_now, event_again, forgotten, key, process, retriers};
pub use told::{OperatorError, Retried, Triggered, UntypedStart};

/// Moves runs without their workflow's definition, by the same rules and in the same form as the engine does: each move is
/// one change, made on the version that was read.
///
/// What a definition alone can say is left to the workers: timers of a status that a run is started in are set by their
/// inserter, and a hook is owed by its event alone. A history is written where the run has one, and of whatever ends a run.
///
/// ```
/// # use workflow_shop::*;
/// use workflow_core::adapter::SystemClock;
/// use workflow_core::memory::MemoryStore;
/// use workflow_core::{Operator, RunState, StatusCode, UntypedStart, WorkflowName};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new(std::sync::Arc::new(SystemClock::new()));
/// let operator = Operator::on(&store);
/// let start = UntypedStart {
///     workflow_name: WorkflowName::new("orders")?,
///     foreign_id: ForeignId::new("order-17")?,
///     status: StatusCode::new(1)?,
///     status_name: "Placed".into(),
///     object: r#"{"cents":4200}"#.into(),
///     start_key: None,
/// };
/// let run = operator.trigger(start, "by hand").await?.run_id;
/// assert_eq!(operator.pause(run, "asked by phone").await?.run_state, RunState::Paused);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Operator<'a>(&'a dyn DynStore);

impl std::fmt::Debug for Operator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}

impl<'a> Operator<'a> {
    /// An operator of the runs in a store.
    pub fn on(store: &'a dyn DynStore) -> Self {
        Self(store)
    }

    /// Sets a run aside; gives the record that was stored.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such run, its state does not allow it, or the store fails.
    pub async fn pause(&self, run_id: RunId, reason: &str) -> Result<Record, OperatorError> {
        self.move_to(run_id, Move::Pause { reason: shorten(reason), by: PausedBy::Operator }).await
    }

    /// Lets a paused run go on.
    ///
    /// # Errors
    /// As [`Operator::pause`].
    pub async fn resume(&self, run_id: RunId) -> Result<Record, OperatorError> {
        self.move_to(run_id, Move::Resume).await
    }

    /// Ends a run early.
    ///
    /// # Errors
    /// As [`Operator::pause`].
    pub async fn cancel(&self, run_id: RunId, reason: &str) -> Result<Record, OperatorError> {
        self.move_to(run_id, Move::Cancel { reason: shorten(reason) }).await
    }

    /// Asks for the deletion of a finished run's object, which the workflow's workers do.
    ///
    /// # Errors
    /// As [`Operator::pause`].
    pub async fn delete_data(&self, run_id: RunId, reason: &str) -> Result<Record, OperatorError> {
        self.move_to(run_id, Move::RequestDelete { reason: shorten(reason) }).await
    }

    /// Starts a run. `origin` says who did, as a trigger in a program tells its line.
    ///
    /// # Errors
    /// [`OperatorError`] if the key has an unfinished run, the object is too large, or the store fails.
    pub async fn trigger(&self, start: UntypedStart, origin: &str) -> Result<Triggered, OperatorError> {
        let (bytes, bytes_max) = (start.object.len(), self.0.limits().object_bytes_max);
        if bytes > bytes_max {
            return Err(OperatorError::TooLarge { bytes, bytes_max });
        }
        let (workflow, foreign_id) = (start.workflow_name.clone(), start.foreign_id.clone());
        let record = self.new_record(start, origin);
        let run_id = record.run_id;
        let new = Triggered { run_id, is_new: true };
        match self.commit(self.creation(record)).await {
            Ok(Outcome::Stored(_)) => Ok(new),
            Ok(Outcome::DuplicateStartKey { run_id }) => Ok(Triggered { run_id, is_new: false }),
            Ok(Outcome::DuplicateActiveRun { run_id }) => {
                Err(OperatorError::AlreadyInProgress { workflow, foreign_id, run_id })
            }
            Ok(other) => Err(unexpected(&other).into()),
            // The answer was lost on its way: the store knows what became of it.
            Err(error) if error.kind() == ErrorKind::UnknownOutcome => match self.read(run_id).await {
                Ok(_) => Ok(new),
                Err(_) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Has what failed tried again now, without waiting for its back-off; where nothing has failed, sends the event of the
    /// run's present version again, as the reconciler does.
    ///
    /// # Errors
    /// [`OperatorError::NothingToRetry`] if the run has ended or is paused (resume it instead); and as [`Operator::pause`].
    pub async fn retry(&self, run_id: RunId) -> Result<Retried, OperatorError> {
        for _ in 0..CONTENTION_MAX {
            let record = self.read(run_id).await?;
            let rows = self.waiting_retries(&record).await?;
            let (change, retried) = match &rows[..] {
                [] => (event_again(&record)?, Retried::SentAgain),
                rows => {
                    let processes = rows.iter().map(|row| row.key.process.clone()).collect();
                    let mut change = Change::new(run_id, Expect::Version(record.version));
                    change.effects = rows.iter().map(due_now).collect();
                    (change, Retried::DueNow(processes))
                }
            };
            match self.commit(change).await? {
                Outcome::Stored(_) => return Ok(retried),
                Outcome::VersionConflict { .. } | Outcome::Busy | Outcome::Missing => {}
                other => return Err(unexpected(&other).into()),
            }
        }
        Err(OperatorError::Contended { run_id, attempts: CONTENTION_MAX })
    }

    /// Makes a move on the run as it is now; a run that others store meanwhile is looked at again.
    async fn move_to(&self, run_id: RunId, to: Move) -> Result<Record, OperatorError> {
        for _ in 0..CONTENTION_MAX {
            let record = self.read(run_id).await?;
            let next = apply(&record, Transition { to: to.clone(), object: None })
                .map_err(|refusal| OperatorError::Refused { run_id, refusal })?;
            let change = self.change(&record, next.clone()).await?;
            match self.commit(change).await? {
                Outcome::Stored(_) => return Ok(next),
                Outcome::VersionConflict { .. } | Outcome::Busy | Outcome::Missing => {}
                other => return Err(unexpected(&other).into()),
            }
        }
        Err(OperatorError::Contended { run_id, attempts: CONTENTION_MAX })
    }

    /// The change from a record to the next one.
    async fn change(&self, record: &Record, next: Record) -> Result<Change, BackendError> {
        let kept = self.kept(record).await?;
        let mut change = Change::new(record.run_id, Expect::Version(record.version));
        change.effects = forgotten(record);
        let topic = Topic::of_record(&next.workflow_name, next.run_state, next.status);
        let mut event = Event::of_record(&next, topic);
        if next.run_state.is_finished() {
            change.effects.push(Effect::CancelTimers(None));
        } else if next.run_state == RunState::Running {
            change.effects.push(Effect::ReleaseTimers);
            // Without a history nobody could tell with which version the status was entered, and timers would be set anew.
            if kept == Kept::Nothing {
                event.set_header(header::TIMERS_SET, "1");
            }
        }
        let event = Arc::new(event);
        if next.run_state == RunState::RequestedDataDeleted {
            let process = process(&GroupName::of_deletions(&next.workflow_name));
            change.effects.extend(process.map(|process| owed(&next, &event, &process, OWED_AFTER)));
        }
        if kept != Kept::Nothing || next.run_state.is_finished() {
            let mut entry =
                entry(Some(record), &next, &Stamp::outside(Actor::Operator), self.0.clock().now());
            entry.object = (kept == Kept::Objects).then(|| next.object.clone());
            change.history = Some(entry);
        }
        put(&mut change, next, event);
        Ok(change)
    }

    fn new_record(&self, start: UntypedStart, origin: &str) -> Record {
        let now = self.0.clock().now();
        Record {
            workflow_name: start.workflow_name,
            foreign_id: start.foreign_id,
            run_id: RunId::generate(),
            run_state: RunState::Initiated,
            status: start.status,
            object: start.object,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
            run_state_reason: Arc::default(),
            status_description: start.status_name,
            trace_origin: origin.into(),
            traceparent: None,
            last_event_id: Some(EventId::after(None)),
            paused_by: None,
            start_key: start.start_key,
        }
    }

    /// The change that stores a new run. Its event does not say that timers are set, so that a worker's inserter sets them.
    fn creation(&self, record: Record) -> Change {
        let mut change = Change::new(record.run_id, Expect::Absent);
        let topic = Topic::of_record(&record.workflow_name, record.run_state, record.status);
        let event = Arc::new(Event::of_record(&record, topic));
        change.history = Some(entry(None, &record, &Stamp::outside(Actor::Operator), record.created_at));
        put(&mut change, record, event);
        change
    }

    /// What is kept of a run's past: the entry of its present version shows it.
    async fn kept(&self, record: &Record) -> Result<Kept, BackendError> {
        let after = Version::new(record.version.get() - 1);
        let query = HistoryQuery { run_id: record.run_id, after, limit: 1 };
        let entries = self.0.history(&query).await?;
        let present = entries.first().filter(|entry| entry.version == record.version);
        Ok(match present {
            Some(entry) if entry.object.is_some() => Kept::Objects,
            Some(_) => Kept::Moves,
            None => Kept::Nothing,
        })
    }

    /// The retry rows of a run's present version that wait for their time.
    async fn waiting_retries(&self, record: &Record) -> Result<Vec<RetryRow>, BackendError> {
        let keys: Vec<RetryKey> = retriers(record).into_iter().map(|process| key(record, process)).collect();
        let rows = self.0.retries(&keys).await?;
        Ok(rows.into_iter().flatten().filter(|row| row.due.is_some()).collect())
    }

    async fn read(&self, run_id: RunId) -> Result<Arc<Record>, OperatorError> {
        let found = self.0.lookup(&[run_id]).await?.pop().transpose()?.flatten();
        found.ok_or(OperatorError::Missing { run_id })
    }

    async fn commit(&self, change: Change) -> Result<Outcome, BackendError> {
        let outcome = self.0.commit(vec![change], Vec::new()).await?.pop();
        outcome.ok_or_else(|| BackendError::new(ErrorKind::Corrupt, "the store did not answer a change"))
    }
}

/// What is kept of the past of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Nothing,
    Moves,
    Objects,
}
