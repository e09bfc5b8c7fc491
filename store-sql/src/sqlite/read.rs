//! What is read by key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column, Row};
use workflow_core::adapter::{
    BackendError, Callback, DeadLetter, Found, HistoryQuery, OutboxPage, RetryKey, RetryRow, ShardPage,
    SlotKey, StoredOutboxRow, UnderWay,
};
use workflow_core::{
    Actor, EventId, HistoryEntry, Record, RunId, RunState, StatusCode, Timestamp, Version, WorkflowName,
    decode_outbox,
};

use super::bulk::Bulk;
use super::damaged;
use super::error::corrupt;
use super::open::Conn;
use crate::record_row::as_i64;
use crate::record_row::{RecordRow, record_columns};
use crate::{Table, TableNames};

const LOOKUP: Bulk = Bulk {
    before: concat!("select ", record_columns!(), " from workflow_records where run_id in"),
    columns: 1,
    after: "",
};

const LIVE: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records where workflow_name = ? and foreign_id = ? and live = 1"
);

const NEWEST: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records where workflow_name = ? and foreign_id = ? order by created_at desc, run_id desc limit 1"
);

const STARTED_BY: &str =
    concat!("select ", record_columns!(), " from workflow_records where workflow_name = ? and start_key = ?");

const ENTERED: Bulk = Bulk {
    before: "select distinct h.run_id, h.to_status from",
    columns: 2,
    after: "as v join workflow_history h on h.run_id = v.column1 and h.to_status = v.column2",
};

/// A record from a row that was selected by [`record_columns`].
pub(super) fn record(row: &SqliteRow, names: &TableNames) -> Result<Record, BackendError> {
    let row = RecordRow {
        run_id: value(row, 0, names)?,
        workflow_name: value(row, 1, names)?,
        foreign_id: value(row, 2, names)?,
        run_state: value(row, 3, names)?,
        status: value(row, 4, names)?,
        object: value(row, 5, names)?,
        created_at: value(row, 6, names)?,
        updated_at: value(row, 7, names)?,
        meta: value(row, 8, names)?,
        version: value(row, 9, names)?,
        last_event_id: value(row, 10, names)?,
        paused_by: value(row, 11, names)?,
        start_key: value(row, 12, names)?,
    };
    row.into_record(names.records())
}

fn value<'r, V>(row: &'r SqliteRow, at: usize, names: &TableNames) -> Result<V, BackendError>
where
    V: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    let context = |error| {
        let (run, column) = (damaged::text(row, 0), row.column(at).name());
        corrupt(names.records(), format_args!("run {run}, column {column}: {error}"))
    };
    row.try_get(at).map_err(context)
}

pub(super) async fn lookup(connection: &mut Conn<'_>, runs: &[RunId]) -> Result<Vec<Found>, sqlx::Error> {
    let rows = LOOKUP.fetch(connection, runs, |query, run_id| query.bind(run_id.to_string())).await?;
    let names = connection.names();
    let mut found: HashMap<RunId, Found> = HashMap::with_capacity(rows.len());
    for row in &rows {
        let run_id: &str = row.try_get(0)?;
        if let Ok(run_id) = run_id.parse() {
            found.insert(run_id, record(row, names).map(|record| Some(Arc::new(record))));
        }
    }
    Ok(runs.iter().map(|run_id| found.get(run_id).cloned().unwrap_or(Ok(None))).collect())
}

/// The live run of a foreign id, or its newest one.
pub(super) async fn latest(
    connection: &mut Conn<'_>,
    workflow: &str,
    foreign_id: &str,
) -> Result<Found, sqlx::Error> {
    match one(connection, LIVE, workflow, foreign_id).await? {
        Ok(None) => one(connection, NEWEST, workflow, foreign_id).await,
        found => Ok(found),
    }
}

/// The run that a start key made.
pub(super) async fn started_by(
    connection: &mut Conn<'_>,
    workflow: &str,
    key: &str,
) -> Result<Found, sqlx::Error> {
    one(connection, STARTED_BY, workflow, key).await
}

/// One record by two values.
async fn one(
    connection: &mut Conn<'_>,
    text: &'static str,
    name: &str,
    key: &str,
) -> Result<Found, sqlx::Error> {
    let query = sqlx::query(connection.sql(text)).bind(name).bind(key);
    let row = query.fetch_optional(connection.raw()).await?;
    Ok(row.map(|row| record(&row, connection.names()).map(Arc::new)).transpose())
}

pub(super) async fn history(
    connection: &mut Conn<'_>,
    query: HistoryQuery,
) -> Result<Result<Vec<HistoryEntry>, BackendError>, sqlx::Error> {
    let text = "select workflow_name, run_id, version, from_status, to_status, run_state, reason, actor, attempt, \
                duration_us, at, object from workflow_history where run_id = ? and version > ? order by version limit ?";
    let after = query.after.map_or(0, Version::get);
    let rows = sqlx::query(connection.sql(text))
        .bind(query.run_id.to_string())
        .bind(as_i64(after))
        .bind(i64::try_from(query.limit).unwrap_or(i64::MAX))
        .fetch_all(connection.raw())
        .await?;
    let table = connection.names().table(Table::History);
    Ok(rows.iter().map(|row| entry(row, &table, query.run_id)).collect())
}

fn entry(row: &SqliteRow, table: &str, run_id: RunId) -> Result<HistoryEntry, BackendError> {
    let wrong = |error: &dyn std::fmt::Display| corrupt(table, format_args!("run {run_id}: {error}"));
    let status = |code: i32| StatusCode::new(code).map_err(|error| wrong(&error));
    let read = || -> Result<_, sqlx::Error> {
        Ok((row.try_get::<String, _>(0)?, row.try_get::<i64, _>(2)?, row.try_get::<Option<i32>, _>(3)?))
    };
    let (workflow_name, version, from) = read().map_err(|error| wrong(&error))?;
    let rest = || -> Result<_, sqlx::Error> {
        let state: (i32, i32) = (row.try_get(4)?, row.try_get(5)?);
        let text: (String, String) = (row.try_get(6)?, row.try_get(7)?);
        let numbers: (i64, i64, i64) = (row.try_get(8)?, row.try_get(9)?, row.try_get(10)?);
        Ok((state, text, numbers, row.try_get::<Option<Vec<u8>>, _>(11)?))
    };
    let ((to, run_state), (reason, actor), (attempt, duration_us, at), object) =
        rest().map_err(|error| wrong(&error))?;
    Ok(HistoryEntry {
        workflow_name: WorkflowName::new(workflow_name).map_err(|error| wrong(&error))?,
        run_id,
        version: Version::new(version.unsigned_abs()).ok_or_else(|| wrong(&"version 0"))?,
        from_status: from.map(status).transpose()?,
        to_status: status(to)?,
        run_state: RunState::from_code(run_state).map_err(|error| wrong(&error))?,
        reason: reason.into(),
        actor: Actor::from_name(&actor),
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        duration: std::time::Duration::from_micros(duration_us.unsigned_abs()),
        at: Timestamp::from_millis(at),
        object: object.map(Bytes::from),
    })
}

pub(super) async fn entered(
    connection: &mut Conn<'_>,
    runs: &[(RunId, StatusCode)],
) -> Result<Vec<bool>, sqlx::Error> {
    let rows =
        ENTERED.fetch(connection, runs, |query, run| query.bind(run.0.to_string()).bind(run.1.get())).await?;
    let mut seen: HashSet<(String, i32)> = HashSet::with_capacity(rows.len());
    for row in &rows {
        seen.insert((row.try_get(0)?, row.try_get(1)?));
    }
    Ok(runs.iter().map(|(run_id, status)| seen.contains(&(run_id.to_string(), status.get()))).collect())
}

pub(super) async fn outbox(
    connection: &mut Conn<'_>,
    after: Option<String>,
    limit: usize,
) -> Result<OutboxPage, sqlx::Error> {
    let text =
        "select id, workflow_name, data, created_at from workflow_outbox where id > ? order by id limit ?";
    let rows = sqlx::query(connection.sql(text))
        .bind(after.unwrap_or_default())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection.raw())
        .await?;
    Ok(outbox_page(&rows, limit))
}

/// What a query of at most `limit` rows has found.
fn outbox_page(rows: &[SqliteRow], limit: usize) -> OutboxPage {
    OutboxPage { rows: rows.iter().map(outbox_row).collect(), more: last(rows, limit).1 }
}

/// The same for a relay, without the rows that it has under way.
pub(super) fn shard_page(rows: &[SqliteRow], limit: usize, under_way: &UnderWay) -> ShardPage {
    let is_new = |row: &&SqliteRow| !row.try_get(0).is_ok_and(|id| under_way.contains(id));
    let (last, more) = last(rows, limit);
    ShardPage { rows: rows.iter().filter(is_new).map(outbox_row).collect(), last, more }
}

/// From where to go on, and whether there may be more. An id that is no text comes after all that are, and cannot be gone
/// on from; such rows are set aside first.
fn last(rows: &[SqliteRow], limit: usize) -> (Option<Arc<str>>, bool) {
    let id = rows.last().and_then(|row| row.try_get::<&str, _>(0).ok());
    (id.map(Arc::from), id.is_some() && rows.len() == limit)
}

/// An outbox row. The event's own workflow is believed over the column's.
fn outbox_row(row: &SqliteRow) -> StoredOutboxRow {
    let id = row.try_get::<String, _>(0);
    let event = match (&id, row.try_get::<Option<Vec<u8>>, _>(2)) {
        (_, Err(error)) => Err((error.to_string().into(), Bytes::from(damaged::bytes(row, 2)))),
        (_, Ok(None)) => Err(("column data is NULL".into(), Bytes::new())),
        (Err(error), Ok(Some(data))) => Err((error.to_string().into(), Bytes::from(data))),
        (Ok(id), Ok(Some(data))) => match (id.parse::<EventId>(), decode_outbox(&data)) {
            (Ok(id), Ok(event)) => Ok((id, Arc::new(event))),
            (Err(_), _) => {
                Err((format!("the id {id:?} is not `outbox-id-` and a UUID").into(), Bytes::from(data)))
            }
            (_, Err(error)) => Err((why(&error).into(), Bytes::from(data))),
        },
    };
    let workflow_name = match &event {
        Ok((_, event)) => event.workflow_name.as_str().into(),
        Err(_) => damaged::text(row, 1).into(),
    };
    StoredOutboxRow {
        id: id.unwrap_or_else(|_| damaged::quoted(row, 0)).into(),
        event,
        workflow_name,
        created_at: Timestamp::from_millis(damaged::number(row, 3)),
    }
}

/// An error with its cause, on one line.
pub(super) fn why(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

pub(super) async fn retry(
    connection: &mut Conn<'_>,
    key: &RetryKey,
) -> Result<Option<RetryRow>, sqlx::Error> {
    let text = "select run_id, version, process, attempt, due_at, last_error, event from workflow_retries where run_id = \
                ? and version = ? and process = ?";
    let query = sqlx::query(connection.sql(text))
        .bind(key.run_id.to_string())
        .bind(as_i64(key.version.get()))
        .bind(key.process.as_str());
    // A row whose event cannot be read is as good as not there.
    Ok(query.fetch_optional(connection.raw()).await?.and_then(|row| retry_row(&row).ok()))
}

/// A retry row, or why it cannot be read.
pub(super) fn retry_row(row: &SqliteRow) -> Result<RetryRow, String> {
    let run_id = damaged::run_id(row, 0).ok_or("column run_id is no run's id")?;
    let version = damaged::version(row, 1).ok_or("column version is no version")?;
    let process: String = row.try_get(2).map_err(|error| error.to_string())?;
    let process = workflow_core::ProcessName::new(process).map_err(|error| error.to_string())?;
    let event: Vec<u8> = row.try_get(6).map_err(|error| error.to_string())?;
    Ok(RetryRow {
        key: RetryKey { run_id, version, process },
        attempt: u32::try_from(damaged::number(row, 3).max(0)).unwrap_or(u32::MAX),
        due: row.try_get::<Option<i64>, _>(4).unwrap_or(Some(0)).map(Timestamp::from_millis),
        last_error: damaged::text(row, 5).into(),
        event: Arc::new(decode_outbox(&event).map_err(|error| why(&error))?),
    })
}

pub(super) async fn inbox(
    connection: &mut Conn<'_>,
    run_id: RunId,
    status: StatusCode,
) -> Result<Vec<Callback>, sqlx::Error> {
    let text = "select key, payload, applied from workflow_inbox where run_id = ? and status = ? order by noted, key";
    let rows = sqlx::query(connection.sql(text))
        .bind(run_id.to_string())
        .bind(status.get())
        .fetch_all(connection.raw())
        .await?;
    let callback = |row: &SqliteRow| -> Result<Callback, sqlx::Error> {
        Ok(Callback {
            status,
            key: row.try_get::<String, _>(0)?.into(),
            payload: Bytes::from(row.try_get::<Vec<u8>, _>(1)?),
            applied: row.try_get::<i64, _>(2)? != 0,
        })
    };
    rows.iter().map(callback).collect()
}

pub(super) async fn last_slot(
    connection: &mut Conn<'_>,
    key: &SlotKey,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let text = "select max(slot) from workflow_slots where workflow_name = ? and foreign_id = ? and spec = ? \
                and typeof(slot) = 'integer'";
    let query = sqlx::query_scalar::<_, Option<i64>>(connection.sql(text));
    let query = query.bind(key.workflow_name.as_str()).bind(key.foreign_id.as_str()).bind(&*key.spec);
    Ok(query.fetch_one(connection.raw()).await?.map(Timestamp::from_millis))
}

pub(super) async fn dead_letters(
    connection: &mut Conn<'_>,
    limit: usize,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let text = "select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters \
                order by created_at, id limit ?";
    let rows = sqlx::query(connection.sql(text))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection.raw())
        .await?;
    Ok(rows.iter().map(dead_letter).collect())
}

/// A dead letter, whatever became of it: it is for people to read.
pub(super) fn dead_letter(row: &SqliteRow) -> DeadLetter {
    DeadLetter {
        id: damaged::text(row, 0).into(),
        workflow_name: damaged::text(row, 1).into(),
        run_id: damaged::run_id(row, 2),
        version: damaged::version(row, 3),
        process: damaged::text(row, 4).into(),
        reason: damaged::text(row, 5).into(),
        data: Bytes::from(damaged::bytes(row, 6)),
        created_at: Timestamp::from_millis(damaged::number(row, 7)),
    }
}
