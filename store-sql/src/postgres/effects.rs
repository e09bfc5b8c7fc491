//! What is stored beside records: retries, dead letters, slots, callbacks. Timers are in a file of their own.

use std::collections::HashSet;

use workflow_core::adapter::{
    Callback, Change, DeadLetter, Effect, NewTimer, RetryKey, RetryUpdate, SlotKey, TimerKey,
};
use workflow_core::{RunId, StatusCode, Timestamp, Version, encode_outbox};

use super::connect::Conn;
use super::create::{array, text};
use super::stamp::column;
use super::timers;
use crate::record_row::as_i64;

const DELETE_RETRIES: &str = "delete from workflow_retries where run_id = any($1)";

const DELETE_RETRY: &str = "delete from workflow_retries r using unnest($1::text[], $2::bigint[], $3::text[]) as d(run_id, \
    version, process) where r.run_id = d.run_id and r.version = d.version and r.process = d.process";

const PUT_RETRY: &str = "insert into workflow_retries (run_id, version, process, workflow_name, attempt, due_at, \
    last_error, event) select d.* from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::integer[], \
    $6::timestamp[], $7::text[], $8::bytea[]) as d on conflict (run_id, version, process) do update set attempt = \
    excluded.attempt, due_at = excluded.due_at, last_error = excluded.last_error, event = excluded.event";

const REPLACE_RETRY: &str = "update workflow_retries r set attempt = d.attempt, due_at = d.due_at, last_error = \
    d.last_error, event = d.event from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::integer[], \
    $6::timestamp[], $7::text[], $8::bytea[]) as d(run_id, version, process, workflow_name, attempt, due_at, last_error, \
    event) where r.run_id = d.run_id and r.version = d.version and r.process = d.process";

const PUT_DEAD_LETTER: &str = "insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, \
    data, created_at) select d.*, $8 from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], \
    $6::text[], $7::bytea[]) as d on conflict do nothing";

const DELETE_OUTBOX: &str = "delete from workflow_outbox where id = any($1)";

const TAKE_SLOT: &str = "insert into workflow_slots (workflow_name, foreign_id, spec, slot) select d.* from \
    unnest($1::text[], $2::text[], $3::text[], $4::timestamp[]) as d";

const FORGET_SLOTS: &str = "delete from workflow_slots s using unnest($1::text[], $2::text[], $3::text[], \
    $4::timestamp[]) as d(workflow_name, foreign_id, spec, slot) where s.workflow_name = d.workflow_name and s.foreign_id \
    = d.foreign_id and s.spec = d.spec and s.slot <= d.slot";

/// A callback is noted later than those before it of its run and status, so that it comes after them.
const PUT_CALLBACK: &str = "insert into workflow_inbox (run_id, status, key, payload, applied, noted) select d.run_id, \
    d.status, d.key, d.payload, d.applied, d.ord - 1 + greatest($6, (select max(i.noted) + 1 from workflow_inbox i where \
    i.run_id = d.run_id and i.status = d.status)) from unnest($1::text[], $2::integer[], $3::text[], $4::bytea[], \
    $5::smallint[]) with ordinality as d(run_id, status, key, payload, applied, ord)";

const APPLY_CALLBACK: &str = "update workflow_inbox i set applied = 1, payload = ''::bytea from unnest($1::text[], \
    $2::integer[], $3::text[]) as d(run_id, status, key) where i.run_id = d.run_id and i.status = d.status and i.key = d.key";

/// Reasons and errors may name what the object did; why it was deleted stays. The runs are named twice, as records that
/// were taken over have another collation than the history, and no index helps across two of them.
const SCRUB: [&str; 5] = [
    "update workflow_history h set object = (select r.object from workflow_records r where r.run_id = h.run_id and r.run_id \
     = any($1)) where h.object is not null and h.run_id = any($1)",
    "update workflow_history h set reason = '' from workflow_records r where r.run_id = h.run_id and r.run_id = any($1) and \
     h.version < r.version and h.reason <> '' and h.run_id = any($1)",
    "update workflow_retries set last_error = '' where run_id = any($1)",
    "delete from workflow_inbox where run_id = any($1)",
    "delete from workflow_dead_letters where run_id = any($1)",
];

/// The effects of many changes, by kind. Kinds are written in the order in which the changes of one run need them.
#[derive(Default)]
pub(super) struct Effects<'a> {
    delete_retries: Vec<RunId>,
    pub(super) set_timers: Vec<(&'a TimerKey, i16)>,
    pub(super) cancel_timers: Vec<(RunId, Option<Version>)>,
    pub(super) release_timers: Vec<RunId>,
    pub(super) put_timers: Vec<&'a NewTimer>,
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
            Effect::CompleteTimer(key) => self.set_timers.push((key, timers::COMPLETED)),
            Effect::HoldTimer(key) => self.set_timers.push((key, timers::HELD)),
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
            // Work that is attached is called when all else is stored.
            Effect::Attached(_) => {}
        }
    }

    pub(super) async fn write(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        of_runs(connection, DELETE_RETRIES, &self.delete_retries).await?;
        timers::write(connection, self, now).await?;
        self.write_retries(connection, now).await?;
        self.write_dead_letters(connection, now).await?;
        if !self.delete_outbox.is_empty() {
            sqlx::query(connection.sql(DELETE_OUTBOX))
                .bind(&self.delete_outbox[..])
                .execute(connection.raw())
                .await?;
        }
        of_slots(connection, TAKE_SLOT, &self.take_slots).await?;
        of_slots(connection, FORGET_SLOTS, &self.forget_slots).await?;
        self.write_callbacks(connection, now).await?;
        for statement in SCRUB {
            of_runs(connection, statement, &self.scrub).await?;
        }
        Ok(())
    }

    async fn write_retries(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        let keys = &self.delete_retry;
        if !keys.is_empty() {
            let query = sqlx::query(connection.sql(DELETE_RETRY))
                .bind(array(keys, |key| key.run_id.to_string()))
                .bind(array(keys, |key| as_i64(key.version.get())))
                .bind(array(keys, |key| key.process.as_str()));
            query.execute(connection.raw()).await?;
        }
        of_retries(connection, REPLACE_RETRY, &self.replace_retries, now).await?;
        of_retries(connection, PUT_RETRY, &self.put_retries, now).await
    }

    async fn write_dead_letters(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        let letters = &self.dead_letters;
        if letters.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(connection.sql(PUT_DEAD_LETTER))
            .bind(array(letters, |letter| text(&letter.id)))
            .bind(array(letters, |letter| text(&letter.workflow_name)))
            .bind(array(letters, |letter| letter.run_id.map(|run_id| run_id.to_string())))
            .bind(array(letters, |letter| letter.version.map(|version| as_i64(version.get()))))
            .bind(array(letters, |letter| text(&letter.process)))
            .bind(array(letters, |letter| text(&letter.reason)))
            .bind(array(letters, |letter| &letter.data[..]))
            .bind(column(now));
        query.execute(connection.raw()).await.map(drop)
    }

    async fn write_callbacks(&self, connection: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
        let put = &self.put_callbacks;
        if !put.is_empty() {
            let query = sqlx::query(connection.sql(PUT_CALLBACK))
                .bind(array(put, |(run_id, _)| run_id.to_string()))
                .bind(array(put, |(_, callback)| callback.status.get()))
                .bind(array(put, |(_, callback)| text(&callback.key)))
                .bind(array(put, |(_, callback)| &callback.payload[..]))
                .bind(array(put, |(_, callback)| i16::from(callback.applied)))
                .bind(now.as_millis());
            query.execute(connection.raw()).await?;
        }
        let apply = &self.apply_callbacks;
        if apply.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(connection.sql(APPLY_CALLBACK))
            .bind(array(apply, |(run_id, ..)| run_id.to_string()))
            .bind(array(apply, |(_, status, _)| status.get()))
            .bind(array(apply, |(.., key)| text(key)));
        query.execute(connection.raw()).await.map(drop)
    }
}

/// Runs a statement over an array of runs.
pub(super) async fn of_runs(
    connection: &mut Conn<'_>,
    statement: &'static str,
    runs: &[RunId],
) -> Result<(), sqlx::Error> {
    if runs.is_empty() {
        return Ok(());
    }
    sqlx::query(connection.sql(statement))
        .bind(array(runs, RunId::to_string))
        .execute(connection.raw())
        .await
        .map(drop)
}

/// Runs a statement over an array of retry rows.
async fn of_retries(
    connection: &mut Conn<'_>,
    statement: &'static str,
    rows: &[&RetryUpdate],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // One statement cannot write a row twice: the last one of a key counts.
    let mut keys = HashSet::new();
    let mut rows: Vec<&RetryUpdate> =
        rows.iter().rev().copied().filter(|row| keys.insert(&row.key)).collect();
    rows.reverse();
    if rows.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(connection.sql(statement))
        .bind(array(&rows, |row| row.key.run_id.to_string()))
        .bind(array(&rows, |row| as_i64(row.key.version.get())))
        .bind(array(&rows, |row| row.key.process.as_str()))
        .bind(array(&rows, |row| row.event.workflow_name.as_str()))
        .bind(array(&rows, |row| i32::try_from(row.attempt).unwrap_or(i32::MAX)))
        .bind(array(&rows, |row| row.due.map(|due| column(due.resolve(now)))))
        .bind(array(&rows, |row| text(&row.last_error)))
        .bind(array(&rows, |row| encode_outbox(&row.event)));
    query.execute(connection.raw()).await.map(drop)
}

async fn of_slots(
    connection: &mut Conn<'_>,
    statement: &'static str,
    keys: &[&SlotKey],
) -> Result<(), sqlx::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(connection.sql(statement))
        .bind(array(keys, |key| key.workflow_name.as_str()))
        .bind(array(keys, |key| key.foreign_id.as_str()))
        .bind(array(keys, |key| text(&key.spec)))
        .bind(array(keys, |key| column(key.slot)));
    query.execute(connection.raw()).await.map(drop)
}
