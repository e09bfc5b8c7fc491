//! The transaction of a commit: what was decided is written, many rows a statement.

use std::time::Duration;

use workflow_core::adapter::{Change, Clock, Effect, Expect, OutboxRow, Outcome, SystemClock};
use workflow_core::{EventId, HistoryEntry, Record, Timestamp, encode_outbox};

use super::attach::MySqlWork;
use super::bulk::{Bound, Bulk};
use super::create::create;
use super::decide::decide;
use super::effects::Effects;
use super::error::{is_lost, is_no_savepoint};
use super::keys;
use super::named::delete_outbox;
use super::rows::datetime;
use super::server::Conn;
use super::transaction::Ended;
use crate::decided::Decided;
use crate::hindrances::Hindrances;
use crate::record_row::as_i64;
use crate::rounds::next_round;
use crate::work_error::WorkError;

/// The rows are there and locked, so each new one meets its own primary key first and becomes an update of that row.
/// Whether all did is seen by the count: two for a row that was updated, one for one that was inserted.
const UPDATE: Bulk = Bulk::insert(
    "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, \
     meta, version, last_event_id, paused_by) values ",
    "(?,?,?,?,?,?,?,?,?,?,?,?)",
    " on duplicate key update run_state = values(run_state), status = values(status), object = values(object), updated_at \
     = values(updated_at), meta = values(meta), version = values(version), last_event_id = values(last_event_id), \
     paused_by = values(paused_by)",
);

const INSERT_OUTBOX: Bulk = Bulk::insert(
    "insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) values ",
    "(?,?,?,?,?,?,?)",
    " on duplicate key update id = workflow_outbox.id",
);

const INSERT_HISTORY: Bulk = Bulk::insert(
    "insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, \
     attempt, duration_us, at, object) values ",
    "(?,?,?,?,?,?,?,?,?,?,?,?)",
    " on duplicate key update run_id = workflow_history.run_id",
);

/// The longest `meta` that its column takes, in bytes.
const META_BYTES_MAX: usize = 65_535;

/// To how many characters each of its texts is cut if it is longer: JSON may need six bytes for one.
const META_CHARS_MAX: usize = 3000;

/// Makes changes in the present transaction; `acked` outbox rows are deleted with them.
pub(super) async fn commit(
    connection: &mut Conn<'_>,
    changes: Vec<&Change>,
    acked: &[EventId],
    now: Timestamp,
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; changes.len()];
    let mut waiting: Vec<(usize, &Change)> = changes.into_iter().enumerate().collect();
    while !waiting.is_empty() {
        let (round, later) = next_round(waiting);
        let (places, round): (Vec<usize>, Vec<&Change>) = round.into_iter().unzip();
        for (place, outcome) in places.into_iter().zip(commit_round(connection, round, now).await?) {
            outcomes[place] = Some(outcome);
        }
        waiting = later;
    }
    if !acked.is_empty() {
        let acked: Vec<String> = acked.iter().map(EventId::to_string).collect();
        let acked: Vec<&str> = acked.iter().map(String::as_str).collect();
        delete_outbox(connection, &acked).await?;
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Busy)).collect())
}

async fn commit_round(
    connection: &mut Conn<'_>,
    changes: Vec<&Change>,
    now: Timestamp,
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut changes: Vec<Decided<'_>> =
        changes.into_iter().map(|change| cut(Decided::new(change, now))).collect();
    decide(connection, &mut changes).await?;
    let taken = keys::take(connection, &mut changes, now).await?;
    update(connection, &changes).await?;
    // A run that has ended just now leaves its foreign id to the next.
    create(connection, &mut changes).await?;
    taken.give_back_refused(connection, &changes).await?;
    let standing = || changes.iter().filter(|each| each.stands()).map(|each| each.change);
    let rows: Vec<&OutboxRow> = standing().filter_map(|change| change.outbox.as_ref()).collect();
    INSERT_OUTBOX.run(connection, &rows, |query, row| bind_outbox(query, row, now)).await?;
    let entries: Vec<&HistoryEntry> = standing().filter_map(|change| change.history.as_ref()).collect();
    let bytes = |entry: &&HistoryEntry| entry.object.as_ref().map_or(0, bytes::Bytes::len);
    INSERT_HISTORY
        .run_weighed(connection, &entries, bytes, |query, entry| bind_history(query, entry, now))
        .await?;
    Effects::of(changes.iter().filter(|each| each.stands())).write(connection, now).await?;
    Ok(changes.into_iter().map(Decided::outcome).collect())
}

/// The column of `meta` has no room for texts without end.
fn cut(mut each: Decided<'_>) -> Decided<'_> {
    if let Some(record) = &mut each.record
        && record.meta().encode().len() > META_BYTES_MAX
    {
        for text in [&mut record.run_state_reason, &mut record.status_description, &mut record.trace_origin] {
            let cut: String = text.chars().take(META_CHARS_MAX).collect();
            *text = cut.into();
        }
    }
    each
}

async fn update(connection: &mut Conn<'_>, changes: &[Decided<'_>]) -> Result<(), sqlx::Error> {
    let updates = |each: &&Decided<'_>| each.stands() && matches!(each.change.expect, Expect::Version(_));
    let mut records: Vec<&Record> =
        changes.iter().filter(updates).filter_map(|each| each.record.as_ref()).collect();
    if records.is_empty() {
        return Ok(());
    }
    records.sort_unstable_by_key(|record| record.run_id);
    let bytes = |record: &&Record| record.object.len();
    let affected = UPDATE.run_weighed(connection, &records, bytes, bind_update).await?;
    if affected != 2 * records.len() as u64 {
        let why = format!("{affected} rows were affected by the update of {} locked runs", records.len());
        return Err(sqlx::Error::Decode(why.into()));
    }
    Ok(())
}

/// Makes one change, with the user's work if some is attached to it, in the present transaction.
pub(super) async fn commit_alone(
    connection: &mut Conn<'_>,
    change: &Change,
    now: Timestamp,
    hindrances: &Hindrances,
    limit: Duration,
) -> Result<Ended<Outcome>, sqlx::Error> {
    let mut outcomes = commit(connection, vec![change], &[], now).await?;
    let outcome = outcomes.pop().unwrap_or(Outcome::Busy);
    if !matches!(outcome, Outcome::Stored(_)) {
        return Ok(Ended::Commit(outcome));
    }
    // It goes with the transaction, should the work end that.
    sqlx::raw_sql("savepoint workflow_attached").execute(connection.raw()).await?;
    let begun = SystemClock::new();
    for effect in &change.effects {
        let Effect::Attached(work) = effect else { continue };
        let failed = match MySqlWork::of(work) {
            Some(work) => match work.call(connection.raw()).await {
                Ok(()) => continue,
                Err(WorkError::Again(error)) if is_lost(&error) => {
                    return Err(hindrances.lost(error, begun.elapsed(), limit));
                }
                Err(WorkError::Again(error)) => return Err(hindrances.contended(error)),
                Err(WorkError::Failed(reason)) => reason,
            },
            None => "the attached work is for another kind of store than MariaDB or MySQL".to_owned(),
        };
        return Ok(Ended::Rollback(Outcome::AttachedFailed(failed.into())));
    }
    match sqlx::raw_sql("release savepoint workflow_attached").execute(connection.raw()).await {
        Ok(_) => Ok(Ended::Commit(outcome)),
        Err(error) if is_no_savepoint(&error) => {
            let why = "the attached work ended the transaction, so that it may be stored or not: it must neither begin \
                       nor end one, nor change tables, nor go on after an error";
            Ok(Ended::Rollback(Outcome::AttachedFailed(why.into())))
        }
        Err(error) if is_lost(&error) => Err(hindrances.lost(error, begun.elapsed(), limit)),
        Err(error) => Err(error),
    }
}

pub(super) fn bind_record<'q>(query: Bound<'q>, record: &Record) -> Bound<'q> {
    query
        .bind(record.run_id.to_string())
        .bind(record.workflow_name.as_str().to_owned())
        .bind(record.foreign_id.as_str().to_owned())
        .bind(record.run_state.code())
        .bind(record.status.get())
        .bind(record.object.to_vec())
        .bind(datetime(record.created_at))
        .bind(datetime(record.updated_at))
        .bind(record.meta().encode())
        .bind(as_i64(record.version.get()))
        .bind(record.last_event_id.map(|id| id.to_string()))
        .bind(record.paused_by.map(|by| by.as_str()))
}

fn bind_update<'q>(query: Bound<'q>, record: &'q &Record) -> Bound<'q> {
    bind_record(query, record)
}

fn bind_outbox<'q>(query: Bound<'q>, row: &'q &OutboxRow, now: Timestamp) -> Bound<'q> {
    let event = &row.event;
    query
        .bind(row.id.to_string())
        .bind(event.workflow_name.as_str())
        .bind(encode_outbox(event))
        .bind(datetime(now))
        .bind(event.run_id.to_string())
        .bind(event.version.map(|version| as_i64(version.get())))
        .bind(i32::from(event.run_id.bucket()))
}

fn bind_history<'q>(query: Bound<'q>, entry: &'q &HistoryEntry, now: Timestamp) -> Bound<'q> {
    query
        .bind(entry.run_id.to_string())
        .bind(as_i64(entry.version.get()))
        .bind(entry.workflow_name.as_str())
        .bind(entry.from_status.map(|status| status.get()))
        .bind(entry.to_status.get())
        .bind(entry.run_state.code())
        .bind(&*entry.reason)
        .bind(entry.actor.as_str())
        .bind(i64::from(entry.attempt))
        .bind(i64::try_from(entry.duration.as_micros()).unwrap_or(i64::MAX))
        .bind(datetime(now))
        .bind(entry.object.as_deref())
}
