//! A change: what is stored together or not at all.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Due, Epoch, Event, EventId, ForeignId, HistoryEntry, ProcessName, Record, RoleName, RunId, StatusCode,
    TimerName, Timestamp, Version, WorkflowName,
};

/// What must hold in the store for a change to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no unfinished run of this workflow and foreign id, and no run of the record's start key.
    Absent,
    /// The run is stored at this version. With a record, the record is stored over it; without one, only the effects.
    Version(Version),
    /// Nothing: for effects that concern no run, such as setting aside a row that cannot be read.
    Nothing,
}

/// Under which ownership a change is made; a store refuses it once the role has a higher epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The role.
    pub role: RoleName,
    /// The epoch with which it was registered.
    pub epoch: Epoch,
}

/// An event on its way through the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The row's id: the event's own id at first, a new one for a re-emission.
    pub id: EventId,
    /// The event.
    pub event: Arc<Event>,
}

/// One entry in a commit: a precondition and everything that is stored if it holds.
///
/// Changes are made by the engine alone; adapters read them.
#[derive(Debug)]
pub struct Change {
    /// The run, where the change concerns one.
    pub run_id: RunId,
    /// What must hold.
    pub expect: Expect,
    /// The ownership under which it is made; `None` for calls of users.
    pub fence: Option<Fence>,
    /// The record to store; its times are set by the store.
    pub record: Option<Record>,
    /// The outbox row to write.
    pub outbox: Option<OutboxRow>,
    /// The history row to write, if history is on.
    pub history: Option<HistoryEntry>,
    /// What else is stored with it.
    pub effects: Vec<Effect>,
}

impl Change {
    /// A change without effects.
    pub fn new(run_id: RunId, expect: Expect) -> Self {
        Self { run_id, expect, fence: None, record: None, outbox: None, history: None, effects: Vec::new() }
    }
}

/// Something that is stored with a change.
#[derive(Debug)]
pub enum Effect {
    /// Writes a timer, unless the same [`TimerKey`] is there.
    PutTimer(NewTimer),
    /// Marks a timer as having moved its run.
    CompleteTimer(TimerKey),
    /// Marks open timers of the run as cancelled: of one entry of a status, or of all.
    CancelTimers(Option<Version>),
    /// Takes a due timer out of the due ones until [`Effect::ReleaseTimers`]: its run is paused.
    HoldTimer(TimerKey),
    /// Puts the run's held timers back.
    ReleaseTimers,
    /// Inserts or replaces a retry row.
    PutRetry(RetryUpdate),
    /// Replaces a retry row, if it is there: what has been dealt with meanwhile is not owed again.
    ReplaceRetry(RetryUpdate),
    /// Deletes a retry row, if it is there.
    DeleteRetry(RetryKey),
    /// Deletes every retry row of the run.
    DeleteRetries,
    /// Sets something aside that cannot be processed.
    PutDeadLetter(DeadLetter),
    /// Deletes an outbox row by its text id, whatever it holds.
    DeleteOutbox(String),
    /// Takes a slot of a schedule; [`Outcome::DuplicateKey`] if it was taken before.
    TakeSlot(SlotKey),
    /// Forgets the slots of a schedule up to an instant.
    ForgetSlots(SlotKey),
    /// Notes a callback in the inbox; [`Outcome::DuplicateKey`] if its key is there.
    PutCallback(Callback),
    /// Marks a buffered callback as applied.
    ApplyCallback {
        /// The status it is for.
        status: StatusCode,
        /// Its key.
        key: Arc<str>,
    },
    /// Replaces the snapshots in the run's history, blanks the reasons of its earlier versions and the errors of its
    /// retries, and deletes its inbox payloads and dead letters.
    Scrub,
    /// The user's own work on the same database.
    Attached(Attached),
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything is stored; the record with its times, where there was one.
    Stored(Option<Arc<Record>>),
    /// The run is stored at another version, or was finished meanwhile.
    VersionConflict {
        /// The version that the store has.
        actual: Version,
    },
    /// There is no such run.
    Missing,
    /// The foreign id has an unfinished run.
    DuplicateActiveRun {
        /// That run.
        run_id: RunId,
    },
    /// The start key was used before.
    DuplicateStartKey {
        /// The run that it made.
        run_id: RunId,
    },
    /// A callback key or schedule slot was used before.
    DuplicateKey,
    /// The role has a later owner.
    SupersededEpoch {
        /// The epoch of that owner.
        current: Epoch,
    },
    /// The row is locked by somebody else; try again by itself.
    Busy,
    /// The user's attached work failed, or is not for this store; nothing of the change is stored.
    AttachedFailed(Arc<str>),
}

/// Tells timers apart: one per run, entry of a status, and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    /// The run.
    pub run_id: RunId,
    /// The version with which the run entered the status.
    pub entered: Version,
    /// The timer's name within the status.
    pub name: TimerName,
}

/// A timer to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTimer {
    /// Which timer.
    pub key: TimerKey,
    /// The status that was entered.
    pub status: StatusCode,
    /// When it is due.
    pub due: Due,
}

/// A stored timer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerRow {
    /// Which timer.
    pub key: TimerKey,
    /// The workflow.
    pub workflow_name: WorkflowName,
    /// The run's business key.
    pub foreign_id: ForeignId,
    /// The status that was entered.
    pub status: StatusCode,
    /// When it was due.
    pub expire_at: Timestamp,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Tells retry rows apart: one per run, version and process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryKey {
    /// The run.
    pub run_id: RunId,
    /// The version that the process works on.
    pub version: Version,
    /// The process.
    pub process: ProcessName,
}

/// A retry row to insert or to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryUpdate {
    /// Which row.
    pub key: RetryKey,
    /// How many attempts have failed so far.
    pub attempt: u32,
    /// When the next one is due; `None` keeps the row as a note that nothing runs by itself.
    pub due: Option<Due>,
    /// What the last attempt failed with.
    pub last_error: Arc<str>,
    /// The event to emit again when it is due.
    pub event: Arc<Event>,
}

impl RetryUpdate {
    /// The row that notes an attempt before it is made: if the process ends in it, it has failed.
    pub(crate) fn begun(key: RetryKey, attempt: u32, event: Arc<Event>) -> Self {
        Self { key, attempt, due: None, last_error: BEGUN.into(), event }
    }
}

/// What stands for the last error of an attempt that was begun and has not ended.
const BEGUN: &str = "the process ended in the middle of the attempt, or is in it";

/// A stored retry row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryRow {
    /// Which row.
    pub key: RetryKey,
    /// How many attempts have failed so far.
    pub attempt: u32,
    /// When the next one is due.
    pub due: Option<Timestamp>,
    /// What the last attempt failed with.
    pub last_error: Arc<str>,
    /// The event to emit again.
    pub event: Arc<Event>,
}

/// Something that cannot be processed, kept with the reason for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The outbox row's id as text, or the event's.
    pub id: Arc<str>,
    /// The workflow, as far as it is known.
    pub workflow_name: Arc<str>,
    /// The run, if it is known.
    pub run_id: Option<RunId>,
    /// The version, if it is known; it keeps the reconciler from driving the run again.
    pub version: Option<Version>,
    /// Who set it aside.
    pub process: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// The row's bytes.
    pub data: Bytes,
    /// When, by the store's clock; the store sets it.
    pub created_at: Timestamp,
}

impl RetryRow {
    /// Whether the attempt that it names was begun and has not been seen to end.
    pub(crate) fn is_begun(&self) -> bool {
        self.due.is_none() && &*self.last_error == BEGUN
    }
}

/// One slot of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlotKey {
    /// The workflow.
    pub workflow_name: WorkflowName,
    /// The schedule's foreign id.
    pub foreign_id: ForeignId,
    /// The schedule's spec.
    pub spec: Arc<str>,
    /// The instant that the spec names.
    pub slot: Timestamp,
}

/// A callback in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The status that it is for.
    pub status: StatusCode,
    /// The caller's key, or one that the engine made.
    pub key: Arc<str>,
    /// What the caller sent.
    pub payload: Bytes,
    /// Whether it has been applied already; an early one waits for the status to be entered.
    pub applied: bool,
}

/// The user's own work in the transaction of a change; only the store that it was made for can read it.
pub struct Attached(Box<dyn Any + Send + Sync>);

impl Attached {
    /// Wraps a store's own kind of work.
    pub fn new(work: impl Any + Send + Sync) -> Self {
        Self(Box::new(work))
    }

    /// The work, if it is of the kind `W`.
    pub fn downcast_ref<W: Any>(&self) -> Option<&W> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached(..)")
    }
}
