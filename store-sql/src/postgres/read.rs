//! What is read by key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDateTime;
use sqlx::Row;
use sqlx::postgres::PgRow;
use workflow_core::adapter::{
    BackendError, Callback, DeadLetter, Found, HistoryQuery, RetryKey, RetryRow, SlotKey,
};
use workflow_core::{
    Actor, HistoryEntry, ProcessName, Record, RunId, RunState, StatusCode, Timestamp, Version, WorkflowName,
    decode_outbox,
};

use super::connect::Conn;
use super::create::{array, text};
use super::error::corrupt;
use super::stamp::instant;
use crate::record_row::as_i64;
use crate::record_row::{RecordRow, record_columns};
use crate::{Table, TableNames};

const LOOKUP: &str = concat!("select ", record_columns!(), " from workflow_records where run_id = any($1)");

/// The live run of a foreign id, or else its newest one.
const LATEST: &str = concat!(
    "select ",
    record_columns!(),
    " from ((select * from workflow_records where workflow_name = $1 and foreign_id = $2 and live) union all (select * from \
     workflow_records where workflow_name = $1 and foreign_id = $2 order by created_at desc, run_id desc limit 1)) r order \
     by live desc limit 1"
);

const STARTED_BY: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records where workflow_name = $1 and start_key = $2"
);

const ENTERED: &str = "select d.ord from unnest($1::text[], $2::integer[]) with ordinality as d(run_id, status, ord) where \
    exists (select 1 from workflow_history h where h.run_id = d.run_id and h.to_status = d.status)";

/// A record from a row that was selected by [`record_columns`].
pub(super) fn record(row: &PgRow, names: &TableNames) -> Result<Record, BackendError> {
    let version: i64 = value(row, 9, names)?;
    let row = RecordRow {
        run_id: value(row, 0, names)?,
        workflow_name: value(row, 1, names)?,
        foreign_id: value(row, 2, names)?,
        run_state: value::<i32>(row, 3, names)?.into(),
        status: value::<i32>(row, 4, names)?.into(),
        object: value(row, 5, names)?,
        created_at: instant(value(row, 6, names)?).as_millis(),
        updated_at: instant(value(row, 7, names)?).as_millis(),
        meta: value(row, 8, names)?,
        version,
        last_event_id: value(row, 10, names)?,
        paused_by: value(row, 11, names)?,
        start_key: value(row, 12, names)?,
    };
    row.into_shared_record(Some(version), names.records())
}

fn value<'r, V>(row: &'r PgRow, at: usize, names: &TableNames) -> Result<V, BackendError>
where
    V: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let run = || row.try_get::<String, _>(0).unwrap_or_default();
    row.try_get(at).map_err(|error| corrupt(names.records(), format_args!("run {}: {error}", run())))
}

pub(super) async fn lookup(connection: &mut Conn<'_>, runs: &[RunId]) -> Result<Vec<Found>, sqlx::Error> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query(connection.sql(LOOKUP)).bind(array(runs, RunId::to_string));
    let rows = query.fetch_all(connection.raw()).await?;
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

/// The live run of a foreign id, or else its newest one.
pub(super) async fn latest(
    connection: &mut Conn<'_>,
    workflow: &str,
    foreign_id: &str,
) -> Result<Found, sqlx::Error> {
    one(connection, LATEST, workflow, foreign_id).await
}

/// The run that a start key made.
pub(super) async fn started_by(
    connection: &mut Conn<'_>,
    workflow: &str,
    key: &str,
) -> Result<Found, sqlx::Error> {
    one(connection, STARTED_BY, workflow, key).await
}

async fn one(
    connection: &mut Conn<'_>,
    text: &'static str,
    workflow: &str,
    key: &str,
) -> Result<Found, sqlx::Error> {
    let query = sqlx::query(connection.sql(text)).bind(workflow).bind(key);
    let row = query.fetch_optional(connection.raw()).await?;
    Ok(row.map(|row| record(&row, connection.names()).map(Arc::new)).transpose())
}

pub(super) async fn history(
    connection: &mut Conn<'_>,
    query: &HistoryQuery,
) -> Result<Result<Vec<HistoryEntry>, BackendError>, sqlx::Error> {
    let text = "select workflow_name, version, from_status, to_status, run_state, reason, actor, attempt, duration_us, \
                at, object from workflow_history where run_id = $1 and version > $2 order by version limit $3";
    let rows = sqlx::query(connection.sql(text))
        .bind(query.run_id.to_string())
        .bind(as_i64(query.after.map_or(0, Version::get)))
        .bind(limit(query.limit))
        .fetch_all(connection.raw())
        .await?;
    let table = connection.names().table(Table::History);
    Ok(rows.iter().map(|row| entry(row, &table, query.run_id)).collect())
}

fn entry(row: &PgRow, table: &str, run_id: RunId) -> Result<HistoryEntry, BackendError> {
    let read = || -> Result<HistoryEntry, Box<dyn std::error::Error>> {
        let from: Option<i32> = row.try_get(2)?;
        Ok(HistoryEntry {
            workflow_name: WorkflowName::new(row.try_get::<String, _>(0)?)?,
            run_id,
            version: Version::new(row.try_get::<i64, _>(1)?.unsigned_abs()).ok_or("version 0")?,
            from_status: from.map(StatusCode::new).transpose()?,
            to_status: StatusCode::new(row.try_get(3)?)?,
            run_state: RunState::from_code(row.try_get(4)?)?,
            reason: row.try_get::<String, _>(5)?.into(),
            actor: Actor::from_name(row.try_get(6)?),
            attempt: u32::try_from(row.try_get::<i32, _>(7)?).unwrap_or(u32::MAX),
            duration: std::time::Duration::from_micros(row.try_get::<i64, _>(8)?.unsigned_abs()),
            at: instant(row.try_get(9)?),
            object: row.try_get::<Option<Vec<u8>>, _>(10)?.map(Bytes::from),
        })
    };
    read().map_err(|error| corrupt(table, format_args!("run {run_id}: {error}")))
}

pub(super) async fn entered(
    connection: &mut Conn<'_>,
    runs: &[(RunId, StatusCode)],
) -> Result<Vec<bool>, sqlx::Error> {
    let mut entered = vec![false; runs.len()];
    if runs.is_empty() {
        return Ok(entered);
    }
    let query = sqlx::query_scalar::<_, i64>(connection.sql(ENTERED))
        .bind(array(runs, |(run_id, _)| run_id.to_string()))
        .bind(array(runs, |(_, status)| status.get()));
    let places: HashSet<i64> = query.fetch_all(connection.raw()).await?.into_iter().collect();
    for (place, entered) in (1..).zip(&mut entered) {
        *entered = places.contains(&place);
    }
    Ok(entered)
}

/// Retry rows, in the order asked. A run seldom has more than one, so that they are picked here.
pub(super) async fn retries(
    connection: &mut Conn<'_>,
    keys: &[RetryKey],
) -> Result<Vec<Option<RetryRow>>, sqlx::Error> {
    let text = "select run_id, version, process, attempt, due_at, last_error, event from workflow_retries where run_id = any($1)";
    let query = sqlx::query(connection.sql(text)).bind(array(keys, |key| key.run_id.to_string()));
    let mut found: HashMap<RetryKey, RetryRow> = HashMap::new();
    for row in &query.fetch_all(connection.raw()).await? {
        if let Some(row) = retry_row(row)? {
            found.insert(row.key.clone(), row);
        }
    }
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

/// A retry row; `None` if its event cannot be read any more, so that it is as good as not there.
pub(super) fn retry_row(row: &PgRow) -> Result<Option<RetryRow>, sqlx::Error> {
    let (run_id, version): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
    let process: String = row.try_get(2)?;
    let (attempt, due): (i32, Option<NaiveDateTime>) = (row.try_get(3)?, row.try_get(4)?);
    let (last_error, event): (String, Vec<u8>) = (row.try_get(5)?, row.try_get(6)?);
    let read = (
        run_id.parse(),
        Version::new(version.unsigned_abs()),
        ProcessName::new(process),
        decode_outbox(&event),
    );
    let (Ok(run_id), Some(version), Ok(process), Ok(event)) = read else {
        tracing::error!(run_id, "a retry row cannot be read");
        return Ok(None);
    };
    Ok(Some(RetryRow {
        key: RetryKey { run_id, version, process },
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        due: due.map(instant),
        last_error: last_error.into(),
        event: Arc::new(event),
    }))
}

pub(super) async fn inbox(
    connection: &mut Conn<'_>,
    run_id: RunId,
    status: StatusCode,
) -> Result<Vec<Callback>, sqlx::Error> {
    let text = "select key, payload, applied from workflow_inbox where run_id = $1 and status = $2 order by noted, key";
    let rows = sqlx::query(connection.sql(text))
        .bind(run_id.to_string())
        .bind(status.get())
        .fetch_all(connection.raw())
        .await?;
    let callback = |row: &PgRow| -> Result<Callback, sqlx::Error> {
        Ok(Callback {
            status,
            key: row.try_get::<String, _>(0)?.into(),
            payload: Bytes::from(row.try_get::<Vec<u8>, _>(1)?),
            applied: row.try_get::<i16, _>(2)? != 0,
        })
    };
    rows.iter().map(callback).collect()
}

pub(super) async fn last_slot(
    connection: &mut Conn<'_>,
    key: &SlotKey,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let statement =
        "select max(slot) from workflow_slots where workflow_name = $1 and foreign_id = $2 and spec = $3";
    let query = sqlx::query_scalar::<_, Option<NaiveDateTime>>(connection.sql(statement));
    let query = query.bind(key.workflow_name.as_str()).bind(key.foreign_id.as_str()).bind(text(&key.spec));
    Ok(query.fetch_one(connection.raw()).await?.map(instant))
}

pub(super) async fn dead_letters(
    connection: &mut Conn<'_>,
    count: usize,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let text = "select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters \
                order by created_at, id limit $1";
    let rows = sqlx::query(connection.sql(text)).bind(limit(count)).fetch_all(connection.raw()).await?;
    rows.iter().map(dead_letter).collect()
}

pub(super) fn dead_letter(row: &PgRow) -> Result<DeadLetter, sqlx::Error> {
    let (run_id, version): (Option<&str>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
    Ok(DeadLetter {
        id: row.try_get::<String, _>(0)?.into(),
        workflow_name: row.try_get::<String, _>(1)?.into(),
        run_id: run_id.and_then(|run_id| run_id.parse().ok()),
        version: version.and_then(|version| Version::new(version.unsigned_abs())),
        process: row.try_get::<String, _>(4)?.into(),
        reason: row.try_get::<String, _>(5)?.into(),
        data: Bytes::from(row.try_get::<Vec<u8>, _>(6)?),
        created_at: instant(row.try_get(7)?),
    })
}

/// How many rows at most, as the server takes it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
