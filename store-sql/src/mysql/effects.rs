//! What is stored beside records: timers, retries, dead letters, slots, callbacks.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use workflow_core::adapter::{DeadLetter, Effect, NewTimer, RetryKey, RetryUpdate, SlotKey, TimerKey};
use workflow_core::{RunId, StatusCode, Timestamp, Version, encode_outbox};

use super::bulk::{Bound, Bulk};
use super::named::{Named, delete_of_runs, delete_outbox, named_runs};
use super::rows::{datetime, run_id, value};
use super::server::Conn;
use crate::decided::Decided;
use crate::record_row::as_i64;

const DELETE_RETRIES: Named = delete_of_runs!("workflow_retries", "primary");

/// The retry rows that are named.
macro_rules! named_retries {
    () => {
        "json_table(?, '$[*]' columns (run_id varchar(64) character set ascii path '$[0]', version bigint path '$[1]', \
         process varchar(255) character set utf8mb4 path '$[2]')) d straight_join workflow_retries r force index \
         (primary) on r.run_id = d.run_id and r.version = d.version and r.process = d.process"
    };
}

const DELETE_RETRY: Named = Named(concat!("delete r from ", named_retries!()));

const PUT_RETRY: Bulk = Bulk::insert(
    "insert into workflow_retries (run_id, version, process, workflow_name, attempt, due_at, last_error, event) values ",
    "(?,?,?,?,?,?,?,?)",
    " on duplicate key update attempt = values(attempt), due_at = values(due_at), last_error = values(last_error), event \
     = values(event)",
);

/// Those of some retry rows that are there. They stay locked, so that they are there when they are replaced.
const RETRIES_THERE: Named =
    Named(concat!("select r.run_id, r.version, r.process from ", named_retries!(), " for update"));

const COMPLETE_TIMERS: Bulk = Bulk::any_where(
    "update workflow_timeouts force index (primary) set state = 2 where state in (0, 1) and (",
    "(run_id = ? and entered = ? and name = ?)",
    ")",
);

const HOLD_TIMERS: Bulk = Bulk::any_where(
    "update workflow_timeouts force index (primary) set state = 1 where state in (0, 1) and (",
    "(run_id = ? and entered = ? and name = ?)",
    ")",
);

const CANCEL_ALL_TIMERS: Bulk = Bulk::any_of(
    "update workflow_timeouts force index (primary) set state = 3 where state in (0, 1) and run_id in (",
    ")",
);

const CANCEL_TIMERS: Bulk = Bulk::any_where(
    "update workflow_timeouts force index (primary) set state = 3 where state in (0, 1) and (",
    "(run_id = ? and entered = ?)",
    ")",
);

const RELEASE_TIMERS: Bulk = Bulk::any_of(
    "update workflow_timeouts force index (primary) set state = 0 where state = 1 and run_id in (",
    ")",
);

const PUT_TIMER: Bulk = Bulk::insert(
    "insert into workflow_timeouts (run_id, entered, name, status, expire_at, created_at, workflow_name, foreign_id) \
     values ",
    "(?,?,?,?,?,?,?,?)",
    " on duplicate key update run_id = workflow_timeouts.run_id",
);

const NAMES: Bulk =
    Bulk::any_of("select run_id, workflow_name, foreign_id from workflow_records where run_id in (", ")");

const PUT_DEAD_LETTER: Bulk = Bulk::insert(
    "insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, data, created_at) values ",
    "(?,?,?,?,?,?,?,?)",
    " on duplicate key update id = workflow_dead_letters.id",
);

/// The end of a range is found by a look at the row behind it, which may be another schedule's: the slots are those of equal
/// keys, and their instants are compared afterwards.
const FORGET_SLOTS: Named = Named(
    "delete s from json_table(?, '$[*]' columns (workflow_name varchar(100) character set utf8mb4 path '$[0]', foreign_id \
     varchar(255) character set utf8mb4 path '$[1]', spec varchar(255) character set utf8mb4 path '$[2]', slot datetime(3) \
     path '$[3]')) d straight_join workflow_slots s force index (primary) on s.workflow_name = d.workflow_name and \
     s.foreign_id = d.foreign_id and s.spec = d.spec where s.slot <= d.slot",
);

const APPLY_CALLBACK: Bulk = Bulk::any_where(
    "update workflow_inbox force index (primary) set applied = 1, payload = '' where ",
    "(run_id = ? and status = ? and `key` = ?)",
    "",
);

/// The history of the runs that are named, each row with the record.
macro_rules! history_beside_records {
    () => {
        concat!(
            named_runs!(),
            " d straight_join workflow_records r force index (primary) on r.run_id = d.run_id straight_join \
             workflow_history h force index (primary) on h.run_id = d.run_id"
        )
    };
}

/// Reasons and errors may name what the object did; why it was deleted stays.
const SCRUB: [Named; 5] = [
    Named(concat!(
        "update ",
        history_beside_records!(),
        " set h.object = r.object where h.object is not null"
    )),
    Named(concat!("update ", history_beside_records!(), " set h.reason = '' where h.version < r.version")),
    Named(concat!(
        "update ",
        named_runs!(),
        " d straight_join workflow_retries r force index (primary) on r.run_id = d.run_id set r.last_error = ''"
    )),
    delete_of_runs!("workflow_inbox", "primary"),
    delete_of_runs!("workflow_dead_letters", "workflow_dead_letters_by_run"),
];

/// A timer with the names of its run, where the change brought them.
type Timer<'a> = (&'a NewTimer, Option<(String, String)>);

/// The effects of many changes, by kind. Kinds are written in the order in which the changes of one run need them. Slots
/// and callbacks have been taken already.
#[derive(Default)]
pub(super) struct Effects<'a> {
    delete_retries: Vec<RunId>,
    complete_timers: Vec<&'a TimerKey>,
    hold_timers: Vec<&'a TimerKey>,
    cancel_all_timers: Vec<RunId>,
    cancel_timers: Vec<(RunId, Version)>,
    release_timers: Vec<RunId>,
    put_timers: Vec<Timer<'a>>,
    delete_retry: Vec<&'a RetryKey>,
    put_retries: Vec<&'a RetryUpdate>,
    replace_retries: Vec<&'a RetryUpdate>,
    dead_letters: Vec<&'a DeadLetter>,
    delete_outbox: Vec<&'a str>,
    forget_slots: Vec<&'a SlotKey>,
    apply_callbacks: Vec<(RunId, StatusCode, &'a str)>,
    scrub: Vec<RunId>,
}

impl<'a> Effects<'a> {
    pub(super) fn of<'d>(changes: impl Iterator<Item = &'d Decided<'a>>) -> Self
    where
        'a: 'd,
    {
        let mut effects = Self::default();
        for each in changes {
            for effect in &each.change.effects {
                effects.add(each, effect);
            }
        }
        effects
    }

    fn add(&mut self, each: &Decided<'a>, effect: &'a Effect) {
        let run_id = each.change.run_id;
        match effect {
            Effect::PutTimer(timer) => {
                let names = each.record.as_ref().filter(|record| record.run_id == timer.key.run_id);
                let names =
                    names.map(|record| (record.workflow_name.to_string(), record.foreign_id.to_string()));
                self.put_timers.push((timer, names));
            }
            Effect::CompleteTimer(key) => self.complete_timers.push(key),
            Effect::HoldTimer(key) => self.hold_timers.push(key),
            Effect::CancelTimers(None) => self.cancel_all_timers.push(run_id),
            Effect::CancelTimers(Some(entered)) => self.cancel_timers.push((run_id, *entered)),
            Effect::ReleaseTimers => self.release_timers.push(run_id),
            Effect::PutRetry(update) => self.put_retries.push(update),
            Effect::ReplaceRetry(update) => self.replace_retries.push(update),
            Effect::DeleteRetry(key) => self.delete_retry.push(key),
            Effect::DeleteRetries => self.delete_retries.push(run_id),
            Effect::PutDeadLetter(letter) => self.dead_letters.push(letter),
            Effect::DeleteOutbox(id) => self.delete_outbox.push(id),
            Effect::ForgetSlots(key) => self.forget_slots.push(key),
            Effect::ApplyCallback { status, key } => self.apply_callbacks.push((run_id, *status, key)),
            Effect::Scrub => self.scrub.push(run_id),
            // Keys were taken before, and work that is attached has a transaction of its own.
            Effect::TakeSlot(_) | Effect::PutCallback(_) | Effect::Attached(_) => {}
        }
    }

    pub(super) async fn write(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        DELETE_RETRIES.run(connection, &self.delete_retries, name_run).await?;
        self.write_timers(connection, now).await?;
        DELETE_RETRY.run(connection, &self.delete_retry, |key| name_retry(key)).await?;
        let replaced = retries_there(connection, &self.replace_retries).await?;
        PUT_RETRY.run(connection, &replaced, |q, update| bind_retry(q, update, now)).await?;
        PUT_RETRY.run(connection, &self.put_retries, |q, update| bind_retry(q, update, now)).await?;
        let bytes = |letter: &&DeadLetter| letter.data.len();
        PUT_DEAD_LETTER
            .run_weighed(connection, &self.dead_letters, bytes, |q, letter| bind_dead_letter(q, letter, now))
            .await?;
        delete_outbox(connection, &self.delete_outbox).await?;
        FORGET_SLOTS.run(connection, &self.forget_slots, |key| name_slot(key)).await?;
        let apply = &self.apply_callbacks;
        APPLY_CALLBACK
            .run(connection, apply, |q, (run_id, status, key)| {
                q.bind(run_id.to_string()).bind(status.get()).bind(*key)
            })
            .await?;
        for statement in &SCRUB {
            statement.run(connection, &self.scrub, name_run).await?;
        }
        Ok(())
    }

    async fn write_timers(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        COMPLETE_TIMERS.run(connection, &self.complete_timers, |q, key| bind_timer_key(q, key)).await?;
        HOLD_TIMERS.run(connection, &self.hold_timers, |q, key| bind_timer_key(q, key)).await?;
        CANCEL_ALL_TIMERS.run(connection, &self.cancel_all_timers, bind_run).await?;
        CANCEL_TIMERS
            .run(connection, &self.cancel_timers, |q, (run_id, entered)| {
                q.bind(run_id.to_string()).bind(as_i64(entered.get()))
            })
            .await?;
        RELEASE_TIMERS.run(connection, &self.release_timers, bind_run).await?;
        self.write_new_timers(connection, now).await
    }

    /// A timer names workflow and foreign id of its run; one whose run is gone is not written.
    async fn write_new_timers(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        let nameless = self.put_timers.iter().filter(|(_, names)| names.is_none());
        let runs: Vec<RunId> = nameless.map(|(timer, _)| timer.key.run_id).collect();
        let mut found: HashMap<RunId, (String, String)> = HashMap::with_capacity(runs.len());
        for row in NAMES.fetch(connection, &runs, bind_run).await? {
            found.insert(run_id(value(&row, 0)?)?, (value(&row, 1)?, value(&row, 2)?));
        }
        let timers: Vec<(&NewTimer, &(String, String))> = self
            .put_timers
            .iter()
            .filter_map(|(timer, names)| Some((*timer, names.as_ref().or(found.get(&timer.key.run_id))?)))
            .collect();
        PUT_TIMER
            .run(connection, &timers, |q, (timer, (workflow, foreign_id))| {
                bind_timer_key(q, &timer.key)
                    .bind(timer.status.get())
                    .bind(datetime(timer.due.resolve(now)))
                    .bind(datetime(now))
                    .bind(workflow)
                    .bind(foreign_id)
            })
            .await?;
        Ok(())
    }
}

pub(super) fn bind_run<'q>(query: Bound<'q>, run_id: &RunId) -> Bound<'q> {
    query.bind(run_id.to_string())
}

/// A run's key in a list of keys.
pub(super) fn name_run(run_id: &RunId) -> Value {
    Value::from(run_id.to_string())
}

fn name_slot(key: &SlotKey) -> Value {
    let slot = datetime(key.slot).format("%Y-%m-%d %H:%M:%S%.3f").to_string();
    json!([key.workflow_name.as_str(), key.foreign_id.as_str(), &*key.spec, slot])
}

fn name_retry(key: &RetryKey) -> Value {
    json!([key.run_id.to_string(), as_i64(key.version.get()), key.process.as_str()])
}

/// Those of the updates whose rows are there, which are locked from then on.
async fn retries_there<'a>(
    connection: &mut Conn<'_>,
    updates: &[&'a RetryUpdate],
) -> Result<Vec<&'a RetryUpdate>, sqlx::Error> {
    let mut there: HashSet<(String, i64, String)> = HashSet::new();
    for row in RETRIES_THERE.fetch(connection, updates, |update| name_retry(&update.key)).await? {
        there.insert((value(&row, 0)?, value(&row, 1)?, value(&row, 2)?));
    }
    let is_there = |key: &RetryKey| {
        there.contains(&(key.run_id.to_string(), as_i64(key.version.get()), key.process.to_string()))
    };
    Ok(updates.iter().copied().filter(|update| is_there(&update.key)).collect())
}

fn bind_timer_key<'q>(query: Bound<'q>, key: &'q TimerKey) -> Bound<'q> {
    query.bind(key.run_id.to_string()).bind(as_i64(key.entered.get())).bind(key.name.as_str())
}

pub(super) fn bind_retry_key<'q>(query: Bound<'q>, key: &'q RetryKey) -> Bound<'q> {
    query.bind(key.run_id.to_string()).bind(as_i64(key.version.get())).bind(key.process.as_str())
}

fn bind_retry<'q>(query: Bound<'q>, update: &'q RetryUpdate, now: Timestamp) -> Bound<'q> {
    bind_retry_key(query, &update.key)
        .bind(update.event.workflow_name.as_str())
        .bind(i64::from(update.attempt))
        .bind(update.due.map(|due| datetime(due.resolve(now))))
        .bind(&*update.last_error)
        .bind(encode_outbox(&update.event))
}

fn bind_dead_letter<'q>(query: Bound<'q>, letter: &'q DeadLetter, now: Timestamp) -> Bound<'q> {
    query
        .bind(&*letter.id)
        .bind(&*letter.workflow_name)
        .bind(letter.run_id.map(|run_id| run_id.to_string()))
        .bind(letter.version.map(|version| as_i64(version.get())))
        .bind(&*letter.process)
        .bind(&*letter.reason)
        .bind(&letter.data[..])
        .bind(datetime(now))
}
