//! How a change is made in memory: looked at as a whole first, then made as a whole.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::state::{State, Timer, TimerState, timer_place};
use crate::adapter::{Change, Effect, Expect, Outcome, RetryRow, RetryUpdate, SlotKey, TimerRow};
use crate::{Record, RunId, Timestamp};

impl State {
    /// Makes a change, or nothing of it.
    pub(super) fn make(&mut self, change: Change, now: Timestamp) -> Outcome {
        if let Some(refusal) = self.refusal(&change) {
            return refusal;
        }
        let Change { run_id, record, outbox, history, effects, .. } = change;
        let record = record.map(|record| Arc::new(self.stamped(record, now)));
        if let Some(record) = &record {
            self.put_record(record);
        }
        if let Some(row) = outbox {
            self.put_outbox(row.id, &row.event, now);
        }
        if let Some(mut entry) = history {
            entry.at = now;
            self.history.entry(run_id).or_default().push(entry);
        }
        for effect in effects {
            self.take_effect(run_id, effect, now);
        }
        Outcome::Stored(record)
    }

    fn refusal(&self, change: &Change) -> Option<Outcome> {
        if let Some(fence) = &change.fence
            && let Some(current) = self.roles.get(&fence.role)
            && *current > fence.epoch
        {
            return Some(Outcome::SupersededEpoch { current: *current });
        }
        match change.expect {
            Expect::Nothing => {}
            Expect::Version(version) => match self.records.get(&change.run_id) {
                None => return Some(Outcome::Missing),
                Some(record) if record.version != version => {
                    return Some(Outcome::VersionConflict { actual: record.version });
                }
                Some(_) => {}
            },
            Expect::Absent => {
                if let Some(taken) = change.record.as_ref().and_then(|record| self.taken(record)) {
                    return Some(taken);
                }
            }
        }
        change.effects.iter().find_map(|effect| self.effect_refusal(change.run_id, effect))
    }

    fn taken(&self, record: &Record) -> Option<Outcome> {
        if let Some(key) = &record.start_key
            && let Some(run_id) = self.start_keys.get(&(record.workflow_name.clone(), key.clone()))
        {
            return Some(Outcome::DuplicateStartKey { run_id: *run_id });
        }
        let live = self.live.get(&(record.workflow_name.clone(), record.foreign_id.clone()));
        if let Some(run_id) = live {
            return Some(Outcome::DuplicateActiveRun { run_id: *run_id });
        }
        // The same creation was stored before, and its run has ended since.
        let before = self.records.get(&record.run_id);
        before.map(|before| Outcome::VersionConflict { actual: before.version })
    }

    fn effect_refusal(&self, run_id: RunId, effect: &Effect) -> Option<Outcome> {
        match effect {
            Effect::TakeSlot(key)
                if self.slots.get(&schedule(key)).is_some_and(|slots| slots.contains(&key.slot)) =>
            {
                Some(Outcome::DuplicateKey)
            }
            Effect::PutCallback(callback) => {
                let noted = self.inbox.get(&run_id)?;
                let same = |each: &crate::adapter::Callback| {
                    each.status == callback.status && each.key == callback.key
                };
                noted.iter().any(same).then_some(Outcome::DuplicateKey)
            }
            Effect::Attached(_) => {
                Some(Outcome::AttachedFailed("a store in memory has no database to attach work to".into()))
            }
            _ => None,
        }
    }

    fn stamped(&self, mut record: Record, now: Timestamp) -> Record {
        record.created_at = self.records.get(&record.run_id).map_or(now, |before| before.created_at);
        record.updated_at = now;
        record
    }

    fn take_effect(&mut self, run_id: RunId, effect: Effect, now: Timestamp) {
        match effect {
            Effect::PutTimer(timer) => self.put_timer(run_id, timer, now),
            Effect::CompleteTimer(key) => self.set_timer(&key, TimerState::Completed),
            Effect::HoldTimer(key) => self.set_timer(&key, TimerState::Held),
            Effect::CancelTimers(entered) => {
                for key in self
                    .timers_of(run_id, |timer| entered.is_none_or(|entered| timer.row.key.entered == entered))
                {
                    self.set_timer(&key, TimerState::Cancelled);
                }
            }
            Effect::ReleaseTimers => {
                for key in self.timers_of(run_id, |timer| timer.state == TimerState::Held) {
                    self.set_timer(&key, TimerState::Open);
                }
            }
            Effect::PutRetry(update) => self.put_retry(retry_row(update, now)),
            Effect::ReplaceRetry(update) => {
                if self.has_retry(&update.key) {
                    self.put_retry(retry_row(update, now));
                }
            }
            Effect::DeleteRetry(key) => self.delete_retry(&key),
            Effect::DeleteRetries => self.delete_retries(run_id),
            Effect::PutDeadLetter(mut letter) => {
                letter.created_at = now;
                self.dead_letters.entry(Arc::clone(&letter.id)).or_insert(letter);
            }
            Effect::DeleteOutbox(id) => {
                if let Ok(id) = id.parse() {
                    self.delete_outbox(id);
                }
            }
            Effect::TakeSlot(key) => {
                self.slots.entry(schedule(&key)).or_default().insert(key.slot);
            }
            Effect::ForgetSlots(key) => {
                if let Some(slots) = self.slots.get_mut(&schedule(&key)) {
                    slots.retain(|slot| *slot > key.slot);
                }
            }
            Effect::PutCallback(callback) => self.inbox.entry(run_id).or_default().push(callback),
            Effect::ApplyCallback { status, key } => {
                for callback in self.inbox.entry(run_id).or_default() {
                    if callback.status == status && callback.key == key {
                        callback.applied = true;
                        callback.payload = bytes::Bytes::new();
                    }
                }
            }
            Effect::Scrub => self.scrub(run_id),
            Effect::Attached(_) => {}
        }
    }

    fn put_timer(&mut self, run_id: RunId, timer: crate::adapter::NewTimer, now: Timestamp) {
        let Some(record) = self.records.get(&run_id) else { return };
        let row = TimerRow {
            workflow_name: record.workflow_name.clone(),
            foreign_id: record.foreign_id.clone(),
            status: timer.status,
            expire_at: timer.due.resolve(now),
            created_at: now,
            key: timer.key,
        };
        let place = timer_place(&row.key);
        let timers = self.timers.entry(run_id).or_default();
        if let Entry::Vacant(vacant) = timers.entry(place) {
            self.due_timers.insert(super::state::due_place(&row));
            vacant.insert(Timer { row, state: TimerState::Open });
        }
    }

    fn timers_of(&self, run_id: RunId, wanted: impl Fn(&Timer) -> bool) -> Vec<crate::adapter::TimerKey> {
        let timers = self.timers.get(&run_id).into_iter().flat_map(|timers| timers.values());
        timers.filter(|timer| wanted(timer)).map(|timer| timer.row.key.clone()).collect()
    }

    /// What is left of a run's data elsewhere than in its object.
    fn scrub(&mut self, run_id: RunId) {
        let object = self.records.get(&run_id).map(|record| record.object.clone());
        for row in self.retries.get_mut(&run_id).into_iter().flat_map(|rows| rows.values_mut()) {
            row.last_error = Arc::default();
        }
        let last = self.records.get(&run_id).map(|record| record.version);
        for entry in self.history.get_mut(&run_id).into_iter().flatten() {
            if Some(entry.version) != last {
                entry.reason = Arc::default();
            }
            if entry.object.is_some() {
                entry.object.clone_from(&object);
            }
        }
        self.inbox.remove(&run_id);
        self.dead_letters.retain(|_, letter| letter.run_id != Some(run_id));
    }
}

pub(super) fn schedule(key: &SlotKey) -> super::state::SlotSchedule {
    (key.workflow_name.clone(), key.foreign_id.clone(), Arc::clone(&key.spec))
}

fn retry_row(update: RetryUpdate, now: Timestamp) -> RetryRow {
    RetryRow {
        due: update.due.map(|due| due.resolve(now)),
        key: update.key,
        attempt: update.attempt,
        last_error: update.last_error,
        event: update.event,
    }
}
