//! What is read by key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use sqlx::mysql::MySqlRow;
use workflow_core::adapter::{
    BackendError, Callback, DeadLetter, Found, HistoryQuery, OutboxPage, RetryKey, RetryRow, SlotKey,
    StoredOutboxRow,
};
use workflow_core::{
    Actor, EventId, HistoryEntry, Record, RunId, RunState, StatusCode, Timestamp, Version, WorkflowName,
    decode_outbox,
};

use super::bulk::Bulk;
use super::effects::{bind_retry_key, bind_run};
use super::error::corrupt;
use super::rows::{instant, limit, maybe_instant, run_id, value, version};
use super::server::Conn;
use crate::record_row::as_i64;
use crate::record_row::{RecordRow, record_columns};
use crate::{Table, TableNames};

const LOOKUP: Bulk = Bulk::any_of(
    concat!("select ", record_columns!(), " from workflow_records force index (primary) where run_id in ("),
    ")",
);

const ENTERED: Bulk = Bulk::any_where(
    "select distinct run_id, to_status from workflow_history force index (primary) where ",
    "(run_id = ? and to_status = ?)",
    "",
);

const RETRIES: Bulk = Bulk::any_where(
    "select run_id, version, process, attempt, due_at, last_error, event from workflow_retries force index (primary) where ",
    "(run_id = ? and version = ? and process = ?)",
    "",
);

/// A record from a row that was selected by [`record_columns`].
pub(super) fn record(row: &MySqlRow, names: &TableNames) -> Result<Record, BackendError> {
    let read = || -> Result<(RecordRow, Option<i64>), sqlx::Error> {
        let version: Option<i64> = value(row, 9)?;
        let row = RecordRow {
            run_id: value(row, 0)?,
            workflow_name: value(row, 1)?,
            foreign_id: value(row, 2)?,
            run_state: value(row, 3)?,
            status: value(row, 4)?,
            object: value(row, 5)?,
            created_at: instant(row, 6)?.as_millis(),
            updated_at: instant(row, 7)?.as_millis(),
            meta: value(row, 8)?,
            version: version.unwrap_or_default(),
            last_event_id: value(row, 10)?,
            paused_by: value(row, 11)?,
            start_key: value(row, 12)?,
        };
        Ok((row, version))
    };
    let run = || value::<String>(row, 0).unwrap_or_default();
    let read = read().map_err(|error| corrupt(names.records(), format_args!("run {}: {error}", run())));
    let (row, version) = read?;
    row.into_shared_record(version, names.records())
}

pub(super) async fn lookup(connection: &mut Conn<'_>, runs: &[RunId]) -> Result<Vec<Found>, sqlx::Error> {
    let rows = LOOKUP.fetch(connection, runs, bind_run).await?;
    let names = connection.names();
    let mut found: HashMap<RunId, Found> = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Ok(run_id) = run_id(value(row, 0)?) {
            found.insert(run_id, record(row, names).map(|record| Some(Arc::new(record))));
        }
    }
    Ok(runs.iter().map(|run_id| found.get(run_id).cloned().unwrap_or(Ok(None))).collect())
}

/// The live run of a foreign id.
const LIVE: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records where workflow_records.workflow_name = ? and live = 1 and workflow_records.foreign_id = ?"
);

/// Its newest finished one: by age first, as many may share an instant.
const NEWEST: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records where workflow_records.workflow_name = ? and live is null and workflow_records.foreign_id = ? \
     and age = (select max(age) from workflow_records where workflow_records.workflow_name = ? and live is null and \
     workflow_records.foreign_id = ?) order by run_id desc limit 1"
);

const BY_START_KEY: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records where workflow_records.workflow_name = ? and start_key = ?"
);

/// A record once nobody has it locked.
const SETTLED: &str =
    concat!("select ", record_columns!(), " from workflow_records where run_id = ? lock in share mode");

pub(super) async fn latest(connection: &mut Conn<'_>, name: &str, key: &str) -> Result<Found, sqlx::Error> {
    match one(connection, LIVE, &[name, key]).await? {
        Ok(None) => one(connection, NEWEST, &[name, key, name, key]).await,
        found => Ok(found),
    }
}

/// A record once nobody has it locked: what a transaction that was not answered has made of it is decided then.
pub(super) async fn settled(connection: &mut Conn<'_>, run_id: RunId) -> Result<Found, sqlx::Error> {
    one(connection, SETTLED, &[&run_id.to_string()]).await
}

pub(super) async fn started_by(
    connection: &mut Conn<'_>,
    name: &str,
    key: &str,
) -> Result<Found, sqlx::Error> {
    one(connection, BY_START_KEY, &[name, key]).await
}

async fn one(connection: &mut Conn<'_>, text: &'static str, values: &[&str]) -> Result<Found, sqlx::Error> {
    let mut query = sqlx::query(connection.sql(text));
    for value in values {
        query = query.bind(*value);
    }
    let row = query.fetch_optional(connection.raw()).await?;
    Ok(row.map(|row| record(&row, connection.names()).map(Arc::new)).transpose())
}

pub(super) async fn history(
    connection: &mut Conn<'_>,
    query: &HistoryQuery,
) -> Result<Result<Vec<HistoryEntry>, BackendError>, sqlx::Error> {
    let text = "select workflow_name, version, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, \
                object from workflow_history where run_id = ? and version > ? order by version limit ?";
    let rows = sqlx::query(connection.sql(text))
        .bind(query.run_id.to_string())
        .bind(as_i64(query.after.map_or(0, Version::get)))
        .bind(limit(query.limit))
        .fetch_all(connection.raw())
        .await?;
    let table = connection.names().table(Table::History);
    Ok(rows.iter().map(|row| entry(row, &table, query.run_id)).collect())
}

fn entry(row: &MySqlRow, table: &str, run_id: RunId) -> Result<HistoryEntry, BackendError> {
    let wrong = |error: &dyn std::fmt::Display| corrupt(table, format_args!("run {run_id}: {error}"));
    let sql = |error: sqlx::Error| wrong(&error);
    let status = |code: i32| StatusCode::new(code).map_err(|error| wrong(&error));
    let from: Option<i32> = value(row, 2).map_err(sql)?;
    Ok(HistoryEntry {
        workflow_name: WorkflowName::new(value::<String>(row, 0).map_err(sql)?)
            .map_err(|error| wrong(&error))?,
        run_id,
        version: version(value(row, 1).map_err(sql)?).ok_or_else(|| wrong(&"version 0"))?,
        from_status: from.map(status).transpose()?,
        to_status: status(value(row, 3).map_err(sql)?)?,
        run_state: RunState::from_code(value(row, 4).map_err(sql)?).map_err(|error| wrong(&error))?,
        reason: value::<String>(row, 5).map_err(sql)?.into(),
        actor: Actor::from_name(&value::<String>(row, 6).map_err(sql)?),
        attempt: u32::try_from(value::<i64>(row, 7).map_err(sql)?).unwrap_or(u32::MAX),
        duration: std::time::Duration::from_micros(value::<i64>(row, 8).map_err(sql)?.unsigned_abs()),
        at: instant(row, 9).map_err(sql)?,
        object: value::<Option<Vec<u8>>>(row, 10).map_err(sql)?.map(Bytes::from),
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
        seen.insert((value(row, 0)?, value(row, 1)?));
    }
    Ok(runs.iter().map(|(run_id, status)| seen.contains(&(run_id.to_string(), status.get()))).collect())
}

pub(super) async fn outbox(
    connection: &mut Conn<'_>,
    after: Option<&str>,
    count: usize,
) -> Result<OutboxPage, sqlx::Error> {
    let text =
        "select id, workflow_name, data, created_at from workflow_outbox where id > ? order by id limit ?";
    let query = sqlx::query(connection.sql(text)).bind(after.unwrap_or_default()).bind(limit(count));
    let rows = query.fetch_all(connection.raw()).await?;
    let more = rows.len() == count;
    Ok(OutboxPage { rows: rows.iter().map(outbox_row).collect::<Result<_, _>>()?, more })
}

pub(super) fn outbox_row(row: &MySqlRow) -> Result<StoredOutboxRow, sqlx::Error> {
    let id: String = value(row, 0)?;
    let event = match (id.parse::<EventId>(), value::<Option<Vec<u8>>>(row, 2)?) {
        (_, None) => Err(("column data is NULL".into(), Bytes::new())),
        (Err(_), Some(data)) => {
            Err((format!("the id {id:?} is not `outbox-id-` and a UUID").into(), Bytes::from(data)))
        }
        (Ok(id), Some(data)) => match decode_outbox(&data) {
            Ok(event) => Ok((id, Arc::new(event))),
            Err(error) => Err((why(&error).into(), Bytes::from(data))),
        },
    };
    let workflow_name = value::<String>(row, 1)?.into();
    Ok(StoredOutboxRow { id: id.into(), event, workflow_name, created_at: instant(row, 3)? })
}

/// An error with its cause, on one line.
fn why(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Retry rows, in the order asked.
pub(super) async fn retries(
    connection: &mut Conn<'_>,
    keys: &[RetryKey],
) -> Result<Vec<Option<RetryRow>>, sqlx::Error> {
    let rows = RETRIES.fetch(connection, keys, bind_retry_key).await?;
    let mut found: HashMap<RetryKey, RetryRow> = HashMap::new();
    for row in &rows {
        if let Some(row) = retry_row(row)? {
            found.insert(row.key.clone(), row);
        }
    }
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

/// A retry row; `None` if its event cannot be read any more, so that it is as good as not there.
pub(super) fn retry_row(row: &MySqlRow) -> Result<Option<RetryRow>, sqlx::Error> {
    let process: String = value(row, 2)?;
    let (last_error, event): (String, Vec<u8>) = (value(row, 5)?, value(row, 6)?);
    let (Ok(run_id), Some(version)) = (run_id(value(row, 0)?), version(value(row, 1)?)) else {
        return Ok(None);
    };
    let (Ok(process), Ok(event)) = (workflow_core::ProcessName::new(process), decode_outbox(&event)) else {
        tracing::error!(run_id = %run_id, "a retry row cannot be read");
        return Ok(None);
    };
    Ok(Some(RetryRow {
        key: RetryKey { run_id, version, process },
        attempt: u32::try_from(value::<i64>(row, 3)?).unwrap_or(u32::MAX),
        due: maybe_instant(row, 4)?,
        last_error: last_error.into(),
        event: Arc::new(event),
    }))
}

pub(super) async fn inbox(
    connection: &mut Conn<'_>,
    run_id: RunId,
    status: StatusCode,
) -> Result<Vec<Callback>, sqlx::Error> {
    let text = "select `key`, payload, applied from workflow_inbox where run_id = ? and status = ? order by noted, `key`";
    let rows = sqlx::query(connection.sql(text))
        .bind(run_id.to_string())
        .bind(status.get())
        .fetch_all(connection.raw())
        .await?;
    let callback = |row: &MySqlRow| -> Result<Callback, sqlx::Error> {
        Ok(Callback {
            status,
            key: value::<String>(row, 0)?.into(),
            payload: Bytes::from(value::<Vec<u8>>(row, 1)?),
            applied: value::<i64>(row, 2)? != 0,
        })
    };
    rows.iter().map(callback).collect()
}

pub(super) async fn last_slot(
    connection: &mut Conn<'_>,
    key: &SlotKey,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let text = "select max(slot) from workflow_slots where workflow_name = ? and foreign_id = ? and spec = ?";
    let query = sqlx::query(connection.sql(text))
        .bind(key.workflow_name.as_str())
        .bind(key.foreign_id.as_str())
        .bind(&*key.spec);
    maybe_instant(&query.fetch_one(connection.raw()).await?, 0)
}

pub(super) async fn dead_letters(
    connection: &mut Conn<'_>,
    count: usize,
) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let text = "select id, workflow_name, run_id, version, process, reason, data, created_at from workflow_dead_letters \
                order by created_at, id limit ?";
    let rows = sqlx::query(connection.sql(text)).bind(limit(count)).fetch_all(connection.raw()).await?;
    rows.iter().map(dead_letter).collect()
}

pub(super) fn dead_letter(row: &MySqlRow) -> Result<DeadLetter, sqlx::Error> {
    let (of_run, number): (Option<String>, Option<i64>) = (value(row, 2)?, value(row, 3)?);
    Ok(DeadLetter {
        id: value::<String>(row, 0)?.into(),
        workflow_name: value::<String>(row, 1)?.into(),
        run_id: of_run.and_then(|of_run| of_run.parse().ok()),
        version: number.and_then(version),
        process: value::<String>(row, 4)?.into(),
        reason: value::<String>(row, 5)?.into(),
        data: Bytes::from(value::<Vec<u8>>(row, 6)?),
        created_at: instant(row, 7)?,
    })
}
