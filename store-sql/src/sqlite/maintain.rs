//! Roles, runs that nothing drives, and runs that are old.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use workflow_core::adapter::{Cursor, DriverlessSlice, EpochClaim};
use workflow_core::{Epoch, Record, RunId, RunState, Timestamp};

use super::bulk::Bulk;
use super::damaged;
use super::open::Conn;
use super::read::record;
use crate::record_row::as_i64;
use crate::record_row::record_columns;

const UNSENT: Bulk =
    Bulk { before: "select distinct run_id from workflow_outbox where run_id in", columns: 1, after: "" };

const WAITING: Bulk = Bulk {
    before: "select run_id, version from workflow_retries where (run_id, version) in",
    columns: 2,
    after: "",
};

const DEAD: Bulk = Bulk {
    before: "select run_id, version from workflow_dead_letters where run_id is not null and (run_id, version) in",
    columns: 2,
    after: "",
};

/// What belongs to a run, and goes with it.
const FORGET: [Bulk; 6] = [
    Bulk { before: "delete from workflow_history where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_timeouts where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_retries  where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_inbox  where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_dead_letters  where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_records where run_id in", columns: 1, after: "" },
];

/// The live runs of a workflow by their foreign ids, after that of a run.
const LIVE_AFTER: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records where workflow_name = ? and live = 1 and foreign_id > coalesce((select foreign_id from \
     workflow_records where run_id = ?), '') order by foreign_id limit ?"
);

/// Old runs that have ended, to which nothing is owed.
const OLD: &str = "select run_id from workflow_records where workflow_name = ? and created_at < ? and updated_at < ? and \
                   run_state in (?, ?, ?) and run_id not in (select run_id from workflow_outbox where run_id is not null) \
                   and run_id not in (select run_id from workflow_retries where due_at is not null) order by created_at \
                   limit ?";

pub(super) async fn register(
    connection: &mut Conn<'_>,
    role: &str,
    claim: EpochClaim,
) -> Result<Option<Epoch>, sqlx::Error> {
    let current =
        sqlx::query_scalar::<_, i64>(connection.sql("select epoch from workflow_roles where role = ?"))
            .bind(role)
            .fetch_optional(connection.raw())
            .await?
            .map_or(0, i64::unsigned_abs);
    let epoch = match claim {
        EpochClaim::Next => current + 1,
        EpochClaim::At(epoch) if epoch.get() <= current => return Ok(None),
        EpochClaim::At(epoch) => epoch.get(),
    };
    sqlx::query(connection.sql(
        "insert into workflow_roles (role, epoch) values (?, ?) on conflict (role) do update set epoch = excluded.epoch",
    ))
    .bind(role)
    .bind(as_i64(epoch))
    .execute(connection.raw())
    .await?;
    Ok(Some(Epoch::new(epoch)))
}

/// One slice of the live runs of a workflow, by the index of live runs; those that nothing drives.
pub(super) async fn driverless(
    connection: &mut Conn<'_>,
    workflow: &str,
    before: Timestamp,
    after: Option<Cursor>,
    limit: usize,
) -> Result<DriverlessSlice, sqlx::Error> {
    let rows = sqlx::query(connection.sql(LIVE_AFTER))
        .bind(workflow)
        .bind(after.map(|cursor| cursor.run_id.to_string()))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection.raw())
        .await?;
    let names = connection.names();
    // The slice goes on from the last run whose id can be read.
    let cursor = |row: &SqliteRow| {
        let created_at = Timestamp::from_millis(damaged::number(row, 6));
        damaged::run_id(row, 0).map(|run_id| Cursor { created_at, run_id })
    };
    let next = rows.iter().rev().find_map(cursor).filter(|_| rows.len() == limit);
    let old =
        rows.iter().filter_map(|row| record(row, names).ok()).filter(|record| record.updated_at < before);
    let old: Vec<Record> = old.collect();
    let driven = driven(connection, &old).await?;
    let records = old.into_iter().filter(|record| !driven.contains(&record.run_id)).map(Arc::new).collect();
    Ok(DriverlessSlice { records, next })
}

async fn driven(connection: &mut Conn<'_>, records: &[Record]) -> Result<HashSet<RunId>, sqlx::Error> {
    let unsent = UNSENT.fetch(connection, records, |q, record| q.bind(record.run_id.to_string())).await?;
    let mut driven = run_ids(&unsent);
    for statement in [&WAITING, &DEAD] {
        let rows = statement
            .fetch(connection, records, |q, record| {
                q.bind(record.run_id.to_string()).bind(as_i64(record.version.get()))
            })
            .await?;
        driven.extend(run_ids(&rows));
    }
    Ok(driven)
}

pub(super) async fn purge(
    connection: &mut Conn<'_>,
    workflow: &str,
    before: Timestamp,
    limit: usize,
) -> Result<u64, sqlx::Error> {
    let ended = [RunState::Cancelled, RunState::Completed, RunState::DataDeleted].map(RunState::code);
    let rows = sqlx::query(connection.sql(OLD))
        .bind(workflow)
        .bind(before.as_millis())
        .bind(before.as_millis())
        .bind(ended[0])
        .bind(ended[1])
        .bind(ended[2])
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection.raw())
        .await?;
    let runs: Vec<RunId> = rows.iter().filter_map(|row| damaged::run_id(row, 0)).collect();
    for statement in &FORGET {
        statement.run(connection, &runs, |query, run_id| query.bind(run_id.to_string())).await?;
    }
    Ok(runs.len() as u64)
}

fn run_ids(rows: &[SqliteRow]) -> HashSet<RunId> {
    rows.iter().filter_map(|row| damaged::run_id(row, 0)).collect()
}
