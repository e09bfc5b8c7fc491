//! Roles, runs that nothing drives, and runs that are old.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDateTime;
use sqlx::Row;
use workflow_core::adapter::{Cursor, DriverlessSlice, EpochClaim};
use workflow_core::{Epoch, RunId, RunState};

use super::connect::Conn;
use super::create::parse;
use super::effects::of_runs;
use super::read::{limit, record};
use super::stamp::{column, instant};
use super::transaction::Tx;
use crate::record_row::as_i64;
use crate::record_row::record_columns;

/// A claim that is not higher changes nothing, and so gives no row.
const REGISTER: &str = "insert into workflow_roles as r (role, epoch) values ($1, coalesce($2, 1)) on conflict (role) do \
    update set epoch = coalesce($2, r.epoch + 1) where coalesce($2, r.epoch + 1) > r.epoch returning epoch";

/// What belongs to a run, and goes with it.
const FORGET: [&str; 6] = [
    "delete from workflow_history where run_id = any($1)",
    "delete from workflow_timeouts where run_id = any($1)",
    "delete from workflow_retries where run_id = any($1)",
    "delete from workflow_inbox where run_id = any($1)",
    "delete from workflow_dead_letters where run_id = any($1)",
    "delete from workflow_records where run_id = any($1)",
];

/// Runs are locked, so that none that is being moved is forgotten. What waits to be sent or to be tried again is owed;
/// rows of the Go library do not say of which run they are, so that they keep all of their workflow.
const OLD: &str = "select r.run_id from workflow_records r where r.workflow_name = $1 and r.created_at < $2 and \
    r.updated_at < $2 and r.run_state = any($3) and not exists (select 1 from workflow_outbox o where o.run_id = r.run_id) \
    and not exists (select 1 from workflow_retries y where y.run_id = r.run_id and y.due_at is not null) \
    and not exists (select 1 from workflow_outbox o where o.run_id is null and o.workflow_name = $1) order by r.created_at, r.run_id limit $4 for update skip locked";

pub(super) async fn register(
    tx: &mut Tx,
    role: &str,
    claim: EpochClaim,
) -> Result<Option<Epoch>, sqlx::Error> {
    let wanted = match claim {
        EpochClaim::Next => None,
        // An epoch is 1 at least; 0 would be as if nobody had registered.
        EpochClaim::At(epoch) if epoch.get() == 0 => return Ok(None),
        EpochClaim::At(epoch) => Some(as_i64(epoch.get())),
    };
    let query = sqlx::query_scalar::<_, i64>(tx.sql(REGISTER)).bind(role).bind(wanted);
    let epoch = query.fetch_optional(tx.raw()).await?;
    Ok(epoch.map(|epoch| Epoch::new(epoch.unsigned_abs())))
}

/// A slice of the live runs of a workflow by the index of live runs; of each whether it is old and has nothing unsent, and
/// which of its versions wait for a retry or were set aside.
const SLICE: &str = concat!(
    "select ",
    record_columns!(),
    ", r.updated_at < coalesce($5, now() at time zone 'utc') - $4 * interval '1 millisecond' and not exists (select 1 from \
     workflow_outbox o where o.run_id = r.run_id), array(select y.version from workflow_retries y where y.run_id = r.run_id \
     and y.version >= r.version) || array(select l.version from workflow_dead_letters l where l.run_id = r.run_id and \
     l.version >= r.version) from (select * from workflow_records where workflow_name = $1 and live and foreign_id > \
     coalesce((select foreign_id from workflow_records where run_id = $2), '') order by foreign_id limit $3) r order by \
     r.foreign_id"
);

/// One slice of the live runs of a workflow; those that nothing drives at present: `None` is the server's.
pub(super) async fn driverless(
    connection: &mut Conn<'_>,
    workflow: &str,
    untouched_for: Duration,
    after: Option<Cursor>,
    count: usize,
    present: Option<NaiveDateTime>,
) -> Result<DriverlessSlice, sqlx::Error> {
    let rows = sqlx::query(connection.sql(SLICE))
        .bind(workflow)
        .bind(after.map(|cursor| cursor.run_id.to_string()))
        .bind(limit(count))
        .bind(untouched_for.as_millis() as f64)
        .bind(present)
        .fetch_all(connection.raw())
        .await?;
    let names = connection.names();
    let next = match rows.last().filter(|_| rows.len() == count) {
        Some(row) => Some(Cursor { created_at: instant(row.try_get(6)?), run_id: parse(row.try_get(0)?)? }),
        None => None,
    };
    let mut records = Vec::new();
    for row in &rows {
        if !row.try_get::<bool, _>(13)? {
            continue;
        }
        let Ok(record) = record(row, names) else { continue };
        // The version is not always that of the column, as the Go library may have moved the run.
        if !row.try_get::<Vec<i64>, _>(14)?.contains(&as_i64(record.version.get())) {
            records.push(Arc::new(record));
        }
    }
    Ok(DriverlessSlice { records, next })
}

pub(super) async fn purge(
    tx: &mut Tx,
    workflow: &str,
    older_than: Duration,
    count: usize,
) -> Result<u64, sqlx::Error> {
    let ended = [RunState::Cancelled, RunState::Completed, RunState::DataDeleted].map(RunState::code);
    let query = sqlx::query_scalar::<_, String>(tx.sql(OLD))
        .bind(workflow)
        .bind(column(tx.now().before(older_than)))
        .bind(ended.to_vec())
        .bind(limit(count));
    let rows = query.fetch_all(tx.raw()).await?;
    let runs = rows.iter().map(|run_id| parse(run_id)).collect::<Result<Vec<RunId>, _>>()?;
    for statement in FORGET {
        of_runs(&mut tx.conn(), statement, &runs).await?;
    }
    Ok(runs.len() as u64)
}
