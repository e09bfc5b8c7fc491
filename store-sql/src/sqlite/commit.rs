//! The transaction of a commit: what was decided is written, many rows a statement.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use workflow_core::adapter::{Change, Effect, Expect, OutboxRow, Outcome};
use workflow_core::{EventId, HistoryEntry, Record, RunId, Timestamp, encode_outbox};

use super::attach::SqliteWork;
use super::bulk::{Bound, Bulk};
use super::damaged;
use super::decide::{Decided, against, decide, versions};
use super::effects::Effects;
use super::open::Conn;
use crate::record_row::as_i64;
use crate::rounds::next_round;

const INSERT: Bulk = Bulk {
    before: "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, \
             updated_at, meta, version, last_event_id, paused_by, start_key, live) select * from",
    columns: 14,
    after: "where column1 is not null on conflict do nothing",
};

/// A run that stays live keeps its place in the index of live runs, which is then not written.
const UPDATE_LIVE: Bulk = Bulk {
    before: "update workflow_records as r set run_state = v.column3, status = v.column4, object = v.column5, updated_at \
             = v.column6, meta = v.column7, version = v.column8, last_event_id = v.column9, paused_by = v.column10 from",
    columns: 10,
    after: "as v where r.run_id = v.column1 and r.version = v.column2",
};

const UPDATE_ENDED: Bulk = Bulk {
    before: "update workflow_records as r set live = null, run_state = v.column3, status = v.column4, object = \
             v.column5, updated_at = v.column6, meta = v.column7, version = v.column8, last_event_id = v.column9, \
             paused_by = v.column10 from",
    columns: 10,
    after: "as v where r.run_id = v.column1 and r.version = v.column2",
};

const WRITTEN: Bulk = Bulk {
    before: "select run_id, last_event_id from workflow_records where run_id in",
    columns: 1,
    after: "",
};

const INSERT_OUTBOX: Bulk = Bulk {
    before: "insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) select * \
             from",
    columns: 7,
    after: "where column1 is not null on conflict do nothing",
};

const DELETE_OUTBOX: Bulk = Bulk { before: "delete from workflow_outbox where id in", columns: 1, after: "" };

const INSERT_HISTORY: Bulk = Bulk {
    before: "insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, reason, \
             actor, attempt, duration_us, at, object) select * from",
    columns: 12,
    after: "where column1 is not null on conflict do nothing",
};

/// Makes changes in the present transaction; `acked` outbox rows are deleted with them.
pub(super) async fn commit(
    connection: &mut Conn<'_>,
    changes: Vec<Change>,
    acked: &[EventId],
    now: Timestamp,
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; changes.len()];
    let mut waiting: Vec<(usize, Change)> = changes.into_iter().enumerate().collect();
    while !waiting.is_empty() {
        let (round, later) = next_round(waiting);
        let (places, round): (Vec<usize>, Vec<Change>) = round.into_iter().unzip();
        for (place, outcome) in places.into_iter().zip(commit_round(connection, round, now).await?) {
            outcomes[place] = Some(outcome);
        }
        waiting = later;
    }
    if !acked.is_empty() {
        DELETE_OUTBOX.run(connection, acked, |query, id| query.bind(id.to_string())).await?;
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Busy)).collect())
}

async fn commit_round(
    connection: &mut Conn<'_>,
    changes: Vec<Change>,
    now: Timestamp,
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut changes: Vec<Decided> =
        changes.into_iter().map(|change| Decided { change: stamped(change, now), refused: None }).collect();
    decide(connection, &mut changes).await?;
    update(connection, &mut changes, &UPDATE_LIVE, true).await?;
    update(connection, &mut changes, &UPDATE_ENDED, false).await?;
    // A run that has ended just now leaves its foreign id to the next.
    create(connection, &mut changes).await?;
    let standing = || changes.iter().filter(|each| each.refused.is_none()).map(|each| &each.change);
    let rows: Vec<&OutboxRow> = standing().filter_map(|change| change.outbox.as_ref()).collect();
    INSERT_OUTBOX.run(connection, &rows, |query, row| bind_outbox(query, row, now)).await?;
    let entries: Vec<&HistoryEntry> = standing().filter_map(|change| change.history.as_ref()).collect();
    INSERT_HISTORY.run(connection, &entries, |query, entry| bind_history(query, entry, now)).await?;
    Effects::of(standing()).write(connection, now).await?;
    Ok(changes.into_iter().map(outcome).collect())
}

fn stamped(mut change: Change, now: Timestamp) -> Change {
    if let Some(record) = &mut change.record {
        record.updated_at = now;
        if change.expect == Expect::Absent {
            record.created_at = now;
        }
    }
    change
}

fn outcome(each: Decided) -> Outcome {
    each.refused.unwrap_or_else(|| Outcome::Stored(each.change.record.map(Arc::new)))
}

async fn create(connection: &mut Conn<'_>, changes: &mut [Decided]) -> Result<(), sqlx::Error> {
    let creates = |each: &Decided| each.refused.is_none() && each.change.expect == Expect::Absent;
    refuse_ended(connection, changes).await?;
    let records: Vec<&Record> =
        changes.iter().filter(|each| creates(each)).filter_map(|each| each.change.record.as_ref()).collect();
    if records.is_empty() {
        return Ok(());
    }
    sqlx::query("savepoint creation").execute(connection.raw()).await?;
    if INSERT.run(connection, &records, bind_new).await? == records.len() {
        return Ok(());
    }
    // A run that was there before looks like one that was written just now: it is looked at from before once more.
    sqlx::query("rollback to creation").execute(connection.raw()).await?;
    let before = written(connection, &records).await?;
    INSERT.run(connection, &records, bind_new).await?;
    let mut created = written(connection, &records).await?;
    created.retain(|run_id| !before.contains(run_id));
    for each in changes.iter_mut().filter(|each| creates(each)) {
        let Some(record) = each.change.record.as_ref().filter(|record| !created.contains(&record.run_id))
        else {
            continue;
        };
        each.refused = Some(taken(connection, record).await?);
    }
    Ok(())
}

/// Refuses runs that have ended already when they are created, while another is live: the index cannot see those.
async fn refuse_ended(connection: &mut Conn<'_>, changes: &mut [Decided]) -> Result<(), sqlx::Error> {
    for each in changes.iter_mut().filter(|each| each.refused.is_none()) {
        let Some(record) = each.change.record.as_ref() else { continue };
        if each.change.expect == Expect::Absent && !record.run_state.is_live() {
            each.refused = live_run(connection, record).await?;
        }
    }
    Ok(())
}

/// By what a run that could not be inserted was refused.
async fn taken(connection: &mut Conn<'_>, record: &Record) -> Result<Outcome, sqlx::Error> {
    if let Some(key) = &record.start_key {
        let by_key = "select run_id from workflow_records where workflow_name = ? and start_key = ?";
        let query = sqlx::query_scalar::<_, String>(connection.sql(by_key));
        let query = query.bind(record.workflow_name.as_str()).bind(key.as_str());
        if let Some(run_id) = query.fetch_optional(connection.raw()).await? {
            return Ok(Outcome::DuplicateStartKey { run_id: of_taken(&run_id) });
        }
    }
    if let Some(refusal) = live_run(connection, record).await? {
        return Ok(refusal);
    }
    // The run's own id is there already: the same creation was stored before, and its run has ended since.
    let stored = versions(connection, &[record.run_id]).await?;
    let actual = stored.get(&record.run_id).copied();
    Ok(actual.map_or(Outcome::Busy, |actual| Outcome::VersionConflict { actual }))
}

async fn live_run(connection: &mut Conn<'_>, record: &Record) -> Result<Option<Outcome>, sqlx::Error> {
    let live = "select run_id from workflow_records where workflow_name = ? and foreign_id = ? and live = 1";
    let query = sqlx::query_scalar::<_, String>(connection.sql(live))
        .bind(record.workflow_name.as_str())
        .bind(record.foreign_id.as_str());
    let run_id = query.fetch_optional(connection.raw()).await?;
    Ok(run_id.map(|run_id| Outcome::DuplicateActiveRun { run_id: of_taken(&run_id) }))
}

/// The run that is in the way. One whose id cannot be read is in the way too, under the id of no run.
fn of_taken(run_id: &str) -> RunId {
    run_id.parse().unwrap_or_else(|error| {
        tracing::error!(run_id, error = %error, "the table of the records has a run whose id is no UUID");
        RunId::from_uuid(uuid::Uuid::nil())
    })
}

async fn update(
    connection: &mut Conn<'_>,
    changes: &mut [Decided],
    statement: &Bulk,
    live: bool,
) -> Result<(), sqlx::Error> {
    let updates = |each: &Decided| {
        let wanted = each.change.record.as_ref().is_some_and(|record| record.run_state.is_live() == live);
        wanted && each.refused.is_none() && matches!(each.change.expect, Expect::Version(_))
    };
    let rows: Vec<(&Record, i64)> = changes
        .iter()
        .filter(|each| updates(each))
        .filter_map(|each| match (each.change.record.as_ref(), each.change.expect) {
            (Some(record), Expect::Version(version)) => Some((record, as_i64(version.get()))),
            _ => None,
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    if statement.run(connection, &rows, |query, (record, was)| bind_update(query, record, *was)).await?
        == rows.len()
    {
        return Ok(());
    }
    let records: Vec<&Record> = rows.into_iter().map(|(record, _)| record).collect();
    let updated = written(connection, &records).await?;
    let missed = |each: &Decided| updates(each) && !updated.contains(&each.change.run_id);
    let runs: Vec<RunId> =
        changes.iter().filter(|each| missed(each)).map(|each| each.change.run_id).collect();
    let versions = versions(connection, &runs).await?;
    for each in changes.iter_mut().filter(|each| missed(each)) {
        each.refused = Some(against(&versions, &each.change).unwrap_or(Outcome::Busy));
    }
    Ok(())
}

/// Makes one change with the user's work attached to it, in the present transaction.
pub(super) async fn commit_attached(
    connection: &mut Conn<'_>,
    mut change: Change,
    now: Timestamp,
) -> Result<Outcome, sqlx::Error> {
    let (work, effects): (Vec<Effect>, Vec<Effect>) = std::mem::take(&mut change.effects)
        .into_iter()
        .partition(|effect| matches!(effect, Effect::Attached(_)));
    change.effects = effects;
    sqlx::query("savepoint attached").execute(connection.raw()).await?;
    let mut outcomes = commit(connection, vec![change], &[], now).await?;
    let outcome = outcomes.pop().unwrap_or(Outcome::Busy);
    let mut failed = None;
    for effect in work.iter().filter(|_| matches!(outcome, Outcome::Stored(_))) {
        let Effect::Attached(work) = effect else { continue };
        failed = match SqliteWork::of(work) {
            Some(work) => call(work, connection.raw()).await.err(),
            None => Some("the attached work is for another kind of store than SQLite".to_owned()),
        };
        if failed.is_some() {
            break;
        }
    }
    if failed.is_some() {
        sqlx::query("rollback to attached").execute(connection.raw()).await?;
    }
    sqlx::query("release attached").execute(connection.raw()).await?;
    Ok(failed.map_or(outcome, |reason| Outcome::AttachedFailed(reason.into())))
}

/// Runs the user's work; a panic is a failure of it.
async fn call(work: &SqliteWork, connection: &mut SqliteConnection) -> Result<(), String> {
    let called = AssertUnwindSafe(async { work.call(connection).await }).catch_unwind().await;
    called.unwrap_or_else(|_| Err("the attached work panicked".to_owned()))
}

fn bind_new<'q>(query: Bound<'q>, record: &&Record) -> Bound<'q> {
    query
        .bind(record.run_id.to_string())
        .bind(record.workflow_name.as_str())
        .bind(record.foreign_id.as_str())
        .bind(record.run_state.code())
        .bind(record.status.get())
        .bind(&record.object[..])
        .bind(record.created_at.as_millis())
        .bind(record.updated_at.as_millis())
        .bind(record.meta().encode())
        .bind(as_i64(record.version.get()))
        .bind(record.last_event_id.map(|id| id.to_string()))
        .bind(record.paused_by.map(|by| by.as_str()))
        .bind(record.start_key.as_ref().map(|key| key.as_str()))
        .bind(record.run_state.is_live().then_some(1))
}

fn bind_update<'q>(query: Bound<'q>, record: &Record, was: i64) -> Bound<'q> {
    query
        .bind(record.run_id.to_string())
        .bind(was)
        .bind(record.run_state.code())
        .bind(record.status.get())
        .bind(&record.object[..])
        .bind(record.updated_at.as_millis())
        .bind(record.meta().encode())
        .bind(as_i64(record.version.get()))
        .bind(record.last_event_id.map(|id| id.to_string()))
        .bind(record.paused_by.map(|by| by.as_str()))
}

fn bind_outbox<'q>(query: Bound<'q>, row: &&OutboxRow, now: Timestamp) -> Bound<'q> {
    let event = &row.event;
    query
        .bind(row.id.to_string())
        .bind(event.workflow_name.as_str())
        .bind(encode_outbox(event))
        .bind(now.as_millis())
        .bind(event.run_id.to_string())
        .bind(event.version.map(|version| as_i64(version.get())))
        .bind(i32::from(event.run_id.bucket()))
}

fn bind_history<'q>(query: Bound<'q>, entry: &&HistoryEntry, now: Timestamp) -> Bound<'q> {
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
        .bind(now.as_millis())
        .bind(entry.object.as_deref())
}

/// Which of these records are stored as they are here: an event id is made for one version of one run alone.
async fn written(connection: &mut Conn<'_>, records: &[&Record]) -> Result<HashSet<RunId>, sqlx::Error> {
    let rows =
        WRITTEN.fetch(connection, records, |query, record| query.bind(record.run_id.to_string())).await?;
    // A row that somebody has damaged is not what was written here.
    let event_of = |row: &SqliteRow| {
        let event_id: Option<&str> = row.try_get(1).ok()?;
        Some((damaged::run_id(row, 0)?, event_id?.parse().ok()?))
    };
    let stored: HashSet<(RunId, EventId)> = rows.iter().filter_map(event_of).collect();
    let is_stored = |record: &&&Record| {
        record.last_event_id.is_some_and(|event_id| stored.contains(&(record.run_id, event_id)))
    };
    Ok(records.iter().filter(is_stored).map(|record| record.run_id).collect())
}
