//! What a store in memory keeps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::adapter::{Callback, DeadLetter, RetryKey, RetryRow, TimerKey, TimerRow};
use crate::{
    Epoch, Event, EventId, ForeignId, HistoryEntry, Record, RoleName, RunId, StartKey, Timestamp,
    WorkflowName,
};

#[derive(Default)]
pub(super) struct State {
    pub(super) records: HashMap<RunId, Arc<Record>>,
    /// Runs by age, for lists.
    pub(super) by_age: BTreeSet<(Timestamp, RunId)>,
    /// The runs of each business key, by age.
    pub(super) by_foreign_id: HashMap<(WorkflowName, ForeignId), BTreeSet<(Timestamp, RunId)>>,
    /// The unfinished run of each business key.
    pub(super) live: HashMap<(WorkflowName, ForeignId), RunId>,
    pub(super) live_by_age: BTreeSet<(WorkflowName, Timestamp, RunId)>,
    pub(super) start_keys: HashMap<(WorkflowName, StartKey), RunId>,
    pub(super) outbox: BTreeMap<EventId, OutboxEntry>,
    /// How many outbox rows each run has.
    pub(super) unsent: HashMap<RunId, usize>,
    pub(super) history: HashMap<RunId, Vec<HistoryEntry>>,
    pub(super) timers: HashMap<RunId, BTreeMap<(u64, Arc<str>), Timer>>,
    pub(super) due_timers: BTreeSet<(Timestamp, RunId, u64, Arc<str>)>,
    pub(super) retries: HashMap<RunId, HashMap<RetryKey, RetryRow>>,
    pub(super) due_retries: BTreeMap<(Timestamp, RunId, u64, Arc<str>), RetryKey>,
    pub(super) dead_letters: BTreeMap<Arc<str>, DeadLetter>,
    pub(super) inbox: HashMap<RunId, Vec<Callback>>,
    pub(super) slots: HashMap<SlotSchedule, BTreeSet<Timestamp>>,
    pub(super) roles: HashMap<RoleName, Epoch>,
    /// Where relays are rung, by their role.
    pub(super) doorbells: BTreeMap<Arc<str>, String>,
}

/// A schedule, whatever its slots: workflow, foreign id, spec.
pub(super) type SlotSchedule = (WorkflowName, ForeignId, Arc<str>);

pub(super) struct OutboxEntry {
    pub(super) event: Arc<Event>,
    pub(super) created_at: Timestamp,
}

pub(super) struct Timer {
    pub(super) row: TimerRow,
    pub(super) state: TimerState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TimerState {
    Open,
    Held,
    Completed,
    Cancelled,
}

impl State {
    pub(super) fn put_record(&mut self, record: &Arc<Record>) {
        let key = (record.workflow_name.clone(), record.foreign_id.clone());
        let age = (record.created_at, record.run_id);
        let by_age = (record.workflow_name.clone(), record.created_at, record.run_id);
        let before = self.records.insert(record.run_id, Arc::clone(record));
        if before.is_none() {
            self.by_age.insert(age);
            self.by_foreign_id.entry(key.clone()).or_default().insert(age);
            if let Some(start_key) = &record.start_key {
                self.start_keys.insert((record.workflow_name.clone(), start_key.clone()), record.run_id);
            }
        }
        match (before.is_some_and(|before| before.run_state.is_live()), record.run_state.is_live()) {
            (false, true) => {
                self.live.insert(key, record.run_id);
                self.live_by_age.insert(by_age);
            }
            (true, false) => {
                self.live.remove(&key);
                self.live_by_age.remove(&by_age);
            }
            _ => {}
        }
    }

    pub(super) fn put_outbox(&mut self, id: EventId, event: &Arc<Event>, created_at: Timestamp) {
        *self.unsent.entry(event.run_id).or_default() += 1;
        self.outbox.insert(id, OutboxEntry { event: Arc::clone(event), created_at });
    }

    pub(super) fn delete_outbox(&mut self, id: EventId) {
        let Some(entry) = self.outbox.remove(&id) else { return };
        if let Some(count) = self.unsent.get_mut(&entry.event.run_id) {
            *count -= 1;
            if *count == 0 {
                self.unsent.remove(&entry.event.run_id);
            }
        }
    }

    pub(super) fn set_timer(&mut self, key: &TimerKey, to: TimerState) {
        let Some(timer) =
            self.timers.get_mut(&key.run_id).and_then(|timers| timers.get_mut(&timer_place(key)))
        else {
            return;
        };
        let due = due_place(&timer.row);
        let closed = matches!(timer.state, TimerState::Completed | TimerState::Cancelled);
        if closed {
            return;
        }
        timer.state = to;
        if to == TimerState::Open {
            self.due_timers.insert(due);
        } else {
            self.due_timers.remove(&due);
        }
    }

    pub(super) fn put_retry(&mut self, row: RetryRow) {
        self.delete_retry(&row.key);
        if let Some(due) = row.due {
            self.due_retries.insert(retry_place(due, &row.key), row.key.clone());
        }
        self.retries.entry(row.key.run_id).or_default().insert(row.key.clone(), row);
    }

    pub(super) fn has_retry(&self, key: &RetryKey) -> bool {
        self.retries.get(&key.run_id).is_some_and(|rows| rows.contains_key(key))
    }

    pub(super) fn delete_retry(&mut self, key: &RetryKey) {
        let Some(rows) = self.retries.get_mut(&key.run_id) else { return };
        if let Some(due) = rows.remove(key).and_then(|row| row.due) {
            self.due_retries.remove(&retry_place(due, key));
        }
        if rows.is_empty() {
            self.retries.remove(&key.run_id);
        }
    }

    pub(super) fn delete_retries(&mut self, run_id: RunId) {
        for (key, row) in self.retries.remove(&run_id).unwrap_or_default() {
            if let Some(due) = row.due {
                self.due_retries.remove(&retry_place(due, &key));
            }
        }
    }

    /// Deletes a run with all that belongs to it.
    pub(super) fn forget_run(&mut self, run_id: RunId) {
        let Some(record) = self.records.remove(&run_id) else { return };
        let age = (record.created_at, run_id);
        self.by_age.remove(&age);
        let key = (record.workflow_name.clone(), record.foreign_id.clone());
        if let Some(runs) = self.by_foreign_id.get_mut(&key) {
            runs.remove(&age);
            if runs.is_empty() {
                self.by_foreign_id.remove(&key);
            }
        }
        if let Some(start_key) = &record.start_key {
            self.start_keys.remove(&(record.workflow_name.clone(), start_key.clone()));
        }
        self.delete_retries(run_id);
        for timer in self.timers.remove(&run_id).unwrap_or_default().into_values() {
            self.due_timers.remove(&due_place(&timer.row));
        }
        self.history.remove(&run_id);
        self.inbox.remove(&run_id);
        self.dead_letters.retain(|_, letter| letter.run_id != Some(run_id));
    }
}

pub(super) fn timer_place(key: &TimerKey) -> (u64, Arc<str>) {
    (key.entered.get(), key.name.as_str().into())
}

pub(super) fn due_place(row: &TimerRow) -> (Timestamp, RunId, u64, Arc<str>) {
    (row.expire_at, row.key.run_id, row.key.entered.get(), row.key.name.as_str().into())
}

fn retry_place(due: Timestamp, key: &RetryKey) -> (Timestamp, RunId, u64, Arc<str>) {
    (due, key.run_id, key.version.get(), key.process.as_str().into())
}
