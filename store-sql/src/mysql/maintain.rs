//! Roles, runs that nothing drives, and runs that are old.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::mysql::MySqlRow;
use workflow_core::adapter::{Cursor, DriverlessSlice, EpochClaim};
use workflow_core::{Epoch, Record, RunId, RunState, Timestamp};

use super::bulk::Bulk;
use super::effects::name_run;
use super::named::{Named, delete_of_runs};
use super::read::record;
use super::rows::{datetime, instant, limit, run_id, value};
use super::server::Conn;
use crate::record_row::as_i64;
use crate::record_row::record_columns;

const UNSENT: Bulk = Bulk::any_of(
    "select distinct run_id from workflow_outbox force index (workflow_outbox_by_run) where run_id in (",
    ")",
);

const WAITING: Bulk = Bulk::any_where(
    "select run_id from workflow_retries force index (primary) where ",
    "(run_id = ? and version = ?)",
    "",
);

const DEAD: Bulk = Bulk::any_where(
    "select run_id from workflow_dead_letters force index (workflow_dead_letters_by_run) where ",
    "(run_id = ? and version = ?)",
    "",
);

/// What belongs to a run, and goes with it.
const FORGET: [Named; 6] = [
    delete_of_runs!("workflow_history", "primary"),
    delete_of_runs!("workflow_timeouts", "primary"),
    delete_of_runs!("workflow_retries", "primary"),
    delete_of_runs!("workflow_inbox", "primary"),
    delete_of_runs!("workflow_dead_letters", "workflow_dead_letters_by_run"),
    delete_of_runs!("workflow_records", "primary"),
];

const PUT_ROLE: &str = "insert into workflow_roles (role, epoch) values (?, 0) on duplicate key update role = workflow_roles.role";

const LOCK_ROLE: &str = "select epoch from workflow_roles where role = ? for update";

const SET_EPOCH: &str = "update workflow_roles set epoch = ? where role = ?";

/// Raises a role's epoch; its row stays locked until the transaction ends, and every commit under the role with it.
pub(super) async fn register(
    connection: &mut Conn<'_>,
    role: &str,
    claim: EpochClaim,
) -> Result<Option<Epoch>, sqlx::Error> {
    // The row is there and locked afterwards, whoever else asks.
    sqlx::query(connection.sql(PUT_ROLE)).bind(role).execute(connection.raw()).await?;
    let current = sqlx::query_scalar::<_, i64>(connection.sql(LOCK_ROLE))
        .bind(role)
        .fetch_one(connection.raw())
        .await?
        .unsigned_abs();
    let epoch = match claim {
        EpochClaim::Next => current + 1,
        EpochClaim::At(epoch) if epoch.get() <= current => return Ok(None),
        EpochClaim::At(epoch) => epoch.get(),
    };
    sqlx::query(connection.sql(SET_EPOCH)).bind(as_i64(epoch)).bind(role).execute(connection.raw()).await?;
    Ok(Some(Epoch::new(epoch)))
}

/// The live runs of a workflow by their foreign ids, after that of a run.
const LIVE_AFTER: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records force index (workflow_records_live) where workflow_records.workflow_name = ? and live = 1 and \
     workflow_records.foreign_id > coalesce((select workflow_records.foreign_id from workflow_records where run_id = ?), '') \
     order by workflow_records.foreign_id limit ?"
);

/// Old runs that have ended and to which nothing is owed. The server would make a copy of all outbox and retry rows for `not
/// exists`, where a count makes it look at those of each run. In a table that was taken over a run's id has another character
/// set than in ours, whose indexes can be used for it in theirs only.
const OLD: &str = "select run_id from workflow_records force index (workflow_records_by_age) where \
                   workflow_records.workflow_name = ? and created_at < ? and updated_at < ? and run_state in (?, ?, \
                   ?) and (select count(*) from workflow_outbox o where o.run_id = convert(workflow_records.run_id \
                   using ascii)) = 0 and (select count(*) from workflow_retries y where y.run_id = \
                   convert(workflow_records.run_id using ascii) and y.due_at is not null) = 0 and not exists (select \
                   1 from workflow_outbox g where g.run_id is null and g.workflow_name = ?) order by created_at limit \
                   ? for update skip locked";

/// One slice of the live runs of a workflow, by their index; those that nothing drives.
pub(super) async fn driverless(
    connection: &mut Conn<'_>,
    workflow: &str,
    before: Timestamp,
    after: Option<Cursor>,
    count: usize,
) -> Result<DriverlessSlice, sqlx::Error> {
    let rows = sqlx::query(connection.sql(LIVE_AFTER))
        .bind(workflow)
        .bind(after.map(|cursor| cursor.run_id.to_string()))
        .bind(limit(count))
        .fetch_all(connection.raw())
        .await?;
    let names = connection.names();
    let next = match rows.last().filter(|_| rows.len() == count) {
        Some(row) => Some(Cursor { created_at: instant(row, 6)?, run_id: run_id(value(row, 0)?)? }),
        None => None,
    };
    let old =
        rows.iter().filter_map(|row| record(row, names).ok()).filter(|record| record.updated_at < before);
    let old: Vec<Record> = old.collect();
    let driven = driven(connection, &old).await?;
    let records = old.into_iter().filter(|record| !driven.contains(&record.run_id)).map(Arc::new).collect();
    Ok(DriverlessSlice { records, next })
}

async fn driven(connection: &mut Conn<'_>, records: &[Record]) -> Result<HashSet<RunId>, sqlx::Error> {
    let unsent = UNSENT.fetch(connection, records, |q, record| q.bind(record.run_id.to_string())).await?;
    let mut driven = run_ids(&unsent)?;
    for statement in [&WAITING, &DEAD] {
        let rows = statement
            .fetch(connection, records, |q, record| {
                q.bind(record.run_id.to_string()).bind(as_i64(record.version.get()))
            })
            .await?;
        driven.extend(run_ids(&rows)?);
    }
    Ok(driven)
}

/// Deletes old runs that have ended and to which nothing is owed. Outbox rows of the Go library do not say of which run they
/// are, so that they keep all of their workflow. Those that somebody holds are left to the next time.
pub(super) async fn purge(
    connection: &mut Conn<'_>,
    workflow: &str,
    before: Timestamp,
    count: usize,
) -> Result<u64, sqlx::Error> {
    let ended = [RunState::Cancelled, RunState::Completed, RunState::DataDeleted].map(RunState::code);
    let rows = sqlx::query(connection.sql(OLD))
        .bind(workflow)
        .bind(datetime(before))
        .bind(datetime(before))
        .bind(ended[0])
        .bind(ended[1])
        .bind(ended[2])
        .bind(workflow)
        .bind(limit(count))
        .fetch_all(connection.raw())
        .await?;
    let mut runs: Vec<RunId> = run_ids(&rows)?.into_iter().collect();
    runs.sort_unstable();
    for statement in &FORGET {
        statement.run(connection, &runs, name_run).await?;
    }
    Ok(runs.len() as u64)
}

fn run_ids(rows: &[MySqlRow]) -> Result<HashSet<RunId>, sqlx::Error> {
    rows.iter().map(|row| run_id(value(row, 0)?)).collect()
}
