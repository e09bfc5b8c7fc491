//! What is due, by index: the first rows of each workflow, and of these the first of all.

use std::time::Duration;

use chrono::NaiveDateTime;
use sqlx::Row;
use sqlx::postgres::PgRow;
use workflow_core::adapter::{DueTimer, DueWork, TimerKey, TimerRow};
use workflow_core::{ForeignId, RunId, StatusCode, TimerName, Timestamp, Version, WorkflowName};

use super::connect::Conn;
use super::create::array;
use super::read::{limit, lookup, retry_row};
use super::stamp::instant;

const TIMERS: &str = "select t.run_id, t.entered, t.name, t.workflow_name, t.foreign_id, t.status, t.expire_at, \
    t.created_at, t.expire_at as due, coalesce($3, now() at time zone 'utc') as present from unnest($1::text[]) as w(name) cross join \
    lateral (select * from workflow_timeouts where workflow_name = w.name and state = 0 order by expire_at limit $2) t \
    order by t.expire_at limit $2";

const RETRIES: &str = "select t.run_id, t.version, t.process, t.attempt, t.due_at, t.last_error, t.event, t.due_at as due, \
    coalesce($3, now() at time zone 'utc') as present from unnest($1::text[]) as w(name) cross join lateral (select * from \
    workflow_retries where workflow_name = w.name and due_at is not null order by due_at limit $2) t order by t.due_at \
    limit $2";

/// What is due at present: `None` is the server's.
pub(super) async fn due(
    connection: &mut Conn<'_>,
    workflows: &[WorkflowName],
    count: usize,
    present: Option<NaiveDateTime>,
) -> Result<DueWork, sqlx::Error> {
    let mut work = DueWork::default();
    let (rows, next_timer) = page(connection, TIMERS, workflows, count, present).await?;
    let timers: Vec<TimerRow> = rows.iter().filter_map(timer).collect();
    let runs: Vec<RunId> = timers.iter().map(|timer| timer.key.run_id).collect();
    let records = lookup(connection, &runs).await?;
    work.timers = timers.into_iter().zip(records).map(|(timer, record)| DueTimer { timer, record }).collect();
    let (rows, next_retry) = page(connection, RETRIES, workflows, count, present).await?;
    for row in &rows {
        work.retries.extend(retry_row(row)?);
    }
    work.next_in = next_timer.into_iter().chain(next_retry).min();
    Ok(work)
}

/// How many failed attempts of a workflow wait, among its first rows.
const WAITING: &str = "select count(*) from (select attempt from workflow_retries where workflow_name = $1 and due_at is not \
    null order by due_at limit $2) r where r.attempt > 0";

pub(super) async fn waiting_retries(
    connection: &mut Conn<'_>,
    workflow: &WorkflowName,
    count: usize,
) -> Result<u64, sqlx::Error> {
    let query = sqlx::query_scalar::<_, i64>(connection.sql(WAITING)).bind(workflow.as_str());
    Ok(query.bind(limit(count)).fetch_one(connection.raw()).await?.unsigned_abs())
}

/// The first rows by their due time that are due, and how long until the next one.
async fn page(
    connection: &mut Conn<'_>,
    statement: &'static str,
    workflows: &[WorkflowName],
    count: usize,
    present: Option<NaiveDateTime>,
) -> Result<(Vec<PgRow>, Option<Duration>), sqlx::Error> {
    let query = sqlx::query(connection.sql(statement)).bind(array(workflows, WorkflowName::as_str));
    let query = query.bind(limit(count).saturating_add(1)).bind(present);
    let mut rows = query.fetch_all(connection.raw()).await?;
    let mut passed = 0;
    while passed < rows.len().min(count) && at(&rows[passed], "due")? <= at(&rows[passed], "present")? {
        passed += 1;
    }
    let next = match rows.get(passed) {
        Some(row) => Some(at(row, "due")?.since(at(row, "present")?)),
        None => None,
    };
    rows.truncate(passed);
    Ok((rows, next))
}

fn at(row: &PgRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(instant(row.try_get::<NaiveDateTime, _>(column)?))
}

/// A timer; `None` if it cannot be read, which is logged.
fn timer(row: &PgRow) -> Option<TimerRow> {
    let read = || -> Result<TimerRow, Box<dyn std::error::Error>> {
        Ok(TimerRow {
            key: TimerKey {
                run_id: row.try_get::<&str, _>(0)?.parse()?,
                entered: Version::new(row.try_get::<i64, _>(1)?.unsigned_abs()).ok_or("version 0")?,
                name: TimerName::new(row.try_get::<String, _>(2)?)?,
            },
            workflow_name: WorkflowName::new(row.try_get::<String, _>(3)?)?,
            foreign_id: ForeignId::new(row.try_get::<String, _>(4)?)?,
            status: StatusCode::new(row.try_get(5)?)?,
            expire_at: instant(row.try_get(6)?),
            created_at: instant(row.try_get(7)?),
        })
    };
    read().map_err(|error| tracing::error!(error = %error, "a timer's row cannot be read")).ok()
}
