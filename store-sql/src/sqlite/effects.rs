//! What is stored beside records: timers, retries, dead letters, slots, callbacks.

use workflow_core::adapter::{
    Callback, Change, DeadLetter, Effect, NewTimer, RetryKey, RetryUpdate, SlotKey, TimerKey,
};
use workflow_core::{RunId, StatusCode, Timestamp, Version, encode_outbox};

use super::bulk::{Bound, Bulk};
use super::open::Conn;
use crate::record_row::as_i64;

/// States of a timer in its table; 0 is open, 3 cancelled.
pub(super) mod timer_state {
    pub(in super::super) const HELD: i32 = 1;
    pub(in super::super) const COMPLETED: i32 = 2;
}

const DELETE_RETRIES: Bulk =
    Bulk { before: "delete from workflow_retries where run_id in", columns: 1, after: "" };

const DELETE_RETRY: Bulk = Bulk {
    before: "delete from workflow_retries where (run_id, version, process) in",
    columns: 3,
    after: "",
};

const PUT_RETRY: Bulk = Bulk {
    before: "insert into workflow_retries (run_id, version, process, workflow_name, attempt, due_at, last_error, event) \
             select * from",
    columns: 8,
    after: "where column1 is not null on conflict (run_id, version, process) do update set attempt = excluded.attempt, \
            due_at = excluded.due_at, last_error = excluded.last_error, event = excluded.event",
};

const REPLACE_RETRY: Bulk = Bulk {
    before: "update workflow_retries as r set attempt = v.column5, due_at = v.column6, last_error = v.column7, event = \
             v.column8 from",
    columns: 8,
    after: "as v where r.run_id = v.column1 and r.version = v.column2 and r.process = v.column3",
};

const SET_TIMER: Bulk = Bulk {
    before: "update workflow_timeouts as t set state = v.column4 from",
    columns: 4,
    after: "as v where t.run_id = v.column1 and t.entered = v.column2 and t.name = v.column3 and t.state in (0, 1)",
};

const CANCEL_TIMERS: Bulk = Bulk {
    before: "update workflow_timeouts as t set state = 3 from",
    columns: 2,
    after: "as v where t.run_id = v.column1 and t.entered = coalesce(v.column2, t.entered) and t.state in (0, 1)",
};

const RELEASE_TIMERS: Bulk = Bulk {
    before: "update workflow_timeouts set state = 0 where state = 1 and run_id in",
    columns: 1,
    after: "",
};

const PUT_TIMER: Bulk = Bulk {
    before: "insert into workflow_timeouts (run_id, entered, name, status, expire_at, created_at, workflow_name, \
             foreign_id) select v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, r.workflow_name, \
             r.foreign_id from",
    columns: 6,
    after: "as v join workflow_records r on r.run_id = v.column1 where true on conflict do nothing",
};

const PUT_DEAD_LETTER: Bulk = Bulk {
    before: "insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, data, created_at) \
             select * from",
    columns: 8,
    after: "where column1 is not null on conflict do nothing",
};

/// A row whose id is no text is named as `quote` writes it; ids that are text are found by the index.
const DELETE_OUTBOX: Bulk =
    Bulk { before: "delete from workflow_outbox where id in ", columns: 1, after: "" };

const DELETE_DAMAGED_OUTBOX: Bulk =
    Bulk { before: "delete from workflow_outbox where id >= x'' and quote(id) in", columns: 1, after: "" };

const TAKE_SLOT: Bulk = Bulk {
    before: "insert into workflow_slots (workflow_name, foreign_id, spec, slot) select * from",
    columns: 4,
    after: "where column1 is not null on conflict do nothing",
};

const FORGET_SLOTS: Bulk = Bulk {
    before: "delete from workflow_slots as s where exists (select 1 from",
    columns: 4,
    after: "as v where s.workflow_name = v.column1 and s.foreign_id = v.column2 and s.spec = v.column3 and s.slot <= \
            v.column4)",
};

/// A callback is noted later than the one before it, though both come in one millisecond: they are read in this order.
const PUT_CALLBACK: Bulk = Bulk {
    before: "insert into workflow_inbox (run_id, status, key, payload, applied, noted) select column1, column2, column3, \
             column4, column5, max(column6, coalesce((select max(i.noted) + 1 from workflow_inbox i where i.run_id = \
             column1 and i.status = column2), 0)) from",
    columns: 6,
    after: "where column1 is not null on conflict do nothing",
};

const APPLY_CALLBACK: Bulk = Bulk {
    before: "update workflow_inbox as i set applied = 1, payload = x'' from",
    columns: 3,
    after: "as v where i.run_id = v.column1 and i.status = v.column2 and i.key = v.column3",
};

const SCRUB_HISTORY: Bulk = Bulk {
    before: "update workflow_history as h set object = (select r.object from workflow_records r where r.run_id = \
             h.run_id) where h.object is not null and h.run_id in",
    columns: 1,
    after: "",
};
/// Reasons and errors may name what the object did; why it was deleted stays.
const SCRUB_REASONS: Bulk = Bulk {
    before: "update workflow_history as h set reason = '' where h.version < (select r.version from workflow_records r \
             where r.run_id = h.run_id) and h.run_id in",
    columns: 1,
    after: "",
};
const SCRUB_ERRORS: Bulk =
    Bulk { before: "update workflow_retries set last_error = '' where run_id in", columns: 1, after: "" };
const SCRUB_INBOX: Bulk =
    Bulk { before: "delete from workflow_inbox where run_id in", columns: 1, after: "" };
const SCRUB_DEAD: Bulk =
    Bulk { before: "delete from workflow_dead_letters where run_id in", columns: 1, after: "" };

/// The effects of many changes, by kind. Kinds are written in the order in which the changes of one run need them.
#[derive(Default)]
pub(super) struct Effects<'a> {
    delete_retries: Vec<RunId>,
    set_timers: Vec<(&'a TimerKey, i32)>,
    cancel_timers: Vec<(RunId, Option<Version>)>,
    release_timers: Vec<RunId>,
    put_timers: Vec<&'a NewTimer>,
    delete_retry: Vec<&'a RetryKey>,
    put_retries: Vec<&'a RetryUpdate>,
    replace_retries: Vec<&'a RetryUpdate>,
    dead_letters: Vec<&'a DeadLetter>,
    delete_outbox: Vec<&'a str>,
    take_slots: Vec<&'a SlotKey>,
    forget_slots: Vec<&'a SlotKey>,
    put_callbacks: Vec<(RunId, &'a Callback)>,
    apply_callbacks: Vec<(RunId, StatusCode, &'a str)>,
    scrub: Vec<RunId>,
}

impl<'a> Effects<'a> {
    pub(super) fn of(changes: impl Iterator<Item = &'a Change>) -> Self {
        let mut effects = Self::default();
        for change in changes {
            for effect in &change.effects {
                effects.add(change.run_id, effect);
            }
        }
        effects
    }

    fn add(&mut self, run_id: RunId, effect: &'a Effect) {
        match effect {
            Effect::PutTimer(timer) => self.put_timers.push(timer),
            Effect::CompleteTimer(key) => self.set_timers.push((key, timer_state::COMPLETED)),
            Effect::HoldTimer(key) => self.set_timers.push((key, timer_state::HELD)),
            Effect::CancelTimers(entered) => self.cancel_timers.push((run_id, *entered)),
            Effect::ReleaseTimers => self.release_timers.push(run_id),
            Effect::PutRetry(update) => self.put_retries.push(update),
            Effect::ReplaceRetry(update) => self.replace_retries.push(update),
            Effect::DeleteRetry(key) => self.delete_retry.push(key),
            Effect::DeleteRetries => self.delete_retries.push(run_id),
            Effect::PutDeadLetter(letter) => self.dead_letters.push(letter),
            Effect::DeleteOutbox(id) => self.delete_outbox.push(id),
            Effect::TakeSlot(key) => self.take_slots.push(key),
            Effect::ForgetSlots(key) => self.forget_slots.push(key),
            Effect::PutCallback(callback) => self.put_callbacks.push((run_id, callback)),
            Effect::ApplyCallback { status, key } => self.apply_callbacks.push((run_id, *status, key)),
            Effect::Scrub => self.scrub.push(run_id),
            // Work that is attached has a transaction of its own, and is not among these.
            Effect::Attached(_) => {}
        }
    }

    pub(super) async fn write(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        DELETE_RETRIES.run(connection, &self.delete_retries, |q, run_id| q.bind(run_id.to_string())).await?;
        self.write_timers(connection, now).await?;
        DELETE_RETRY.run(connection, &self.delete_retry, |q, key| bind_retry_key(q, key)).await?;
        let replace = &self.replace_retries;
        REPLACE_RETRY.run(connection, replace, |q, update| bind_retry(q, update, now)).await?;
        PUT_RETRY.run(connection, &self.put_retries, |q, update| bind_retry(q, update, now)).await?;
        PUT_DEAD_LETTER
            .run(connection, &self.dead_letters, |q, letter| bind_dead_letter(q, letter, now))
            .await?;
        DELETE_OUTBOX.run(connection, &self.delete_outbox, |q, id| q.bind(*id)).await?;
        DELETE_DAMAGED_OUTBOX.run(connection, &self.delete_outbox, |q, id| q.bind(*id)).await?;
        TAKE_SLOT.run(connection, &self.take_slots, |q, key| bind_slot(q, key)).await?;
        FORGET_SLOTS.run(connection, &self.forget_slots, |q, key| bind_slot(q, key)).await?;
        let put = &self.put_callbacks;
        PUT_CALLBACK
            .run(connection, put, |q, (run_id, callback)| bind_callback(q, *run_id, callback, now))
            .await?;
        let apply = &self.apply_callbacks;
        APPLY_CALLBACK
            .run(connection, apply, |q, (run_id, status, key)| {
                q.bind(run_id.to_string()).bind(status.get()).bind(*key)
            })
            .await?;
        for statement in [&SCRUB_HISTORY, &SCRUB_REASONS, &SCRUB_ERRORS, &SCRUB_INBOX, &SCRUB_DEAD] {
            statement.run(connection, &self.scrub, |q, run_id| q.bind(run_id.to_string())).await?;
        }
        Ok(())
    }

    async fn write_timers(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        SET_TIMER
            .run(connection, &self.set_timers, |q, (key, state)| bind_timer_key(q, key).bind(*state))
            .await?;
        CANCEL_TIMERS
            .run(connection, &self.cancel_timers, |q, (run_id, entered)| {
                q.bind(run_id.to_string()).bind(entered.map(|version| as_i64(version.get())))
            })
            .await?;
        RELEASE_TIMERS.run(connection, &self.release_timers, |q, run_id| q.bind(run_id.to_string())).await?;
        PUT_TIMER
            .run(connection, &self.put_timers, |q, timer| {
                bind_timer_key(q, &timer.key)
                    .bind(timer.status.get())
                    .bind(timer.due.resolve(now).as_millis())
                    .bind(now.as_millis())
            })
            .await?;
        Ok(())
    }
}

fn bind_timer_key<'q>(query: Bound<'q>, key: &TimerKey) -> Bound<'q> {
    query.bind(key.run_id.to_string()).bind(as_i64(key.entered.get())).bind(key.name.as_str())
}

fn bind_retry_key<'q>(query: Bound<'q>, key: &RetryKey) -> Bound<'q> {
    query.bind(key.run_id.to_string()).bind(as_i64(key.version.get())).bind(key.process.as_str())
}

fn bind_retry<'q>(query: Bound<'q>, update: &RetryUpdate, now: Timestamp) -> Bound<'q> {
    bind_retry_key(query, &update.key)
        .bind(update.event.workflow_name.as_str())
        .bind(i64::from(update.attempt))
        .bind(update.due.map(|due| due.resolve(now).as_millis()))
        .bind(&*update.last_error)
        .bind(encode_outbox(&update.event))
}

fn bind_dead_letter<'q>(query: Bound<'q>, letter: &DeadLetter, now: Timestamp) -> Bound<'q> {
    query
        .bind(&*letter.id)
        .bind(&*letter.workflow_name)
        .bind(letter.run_id.map(|run_id| run_id.to_string()))
        .bind(letter.version.map(|version| as_i64(version.get())))
        .bind(&*letter.process)
        .bind(&*letter.reason)
        .bind(&letter.data[..])
        .bind(now.as_millis())
}

fn bind_slot<'q>(query: Bound<'q>, key: &SlotKey) -> Bound<'q> {
    query
        .bind(key.workflow_name.as_str())
        .bind(key.foreign_id.as_str())
        .bind(&*key.spec)
        .bind(key.slot.as_millis())
}

fn bind_callback<'q>(query: Bound<'q>, run_id: RunId, callback: &Callback, now: Timestamp) -> Bound<'q> {
    query
        .bind(run_id.to_string())
        .bind(callback.status.get())
        .bind(&*callback.key)
        .bind(&callback.payload[..])
        .bind(i32::from(callback.applied))
        .bind(now.as_millis())
}
