//! What is due, by index: the first rows of each workflow, and of these the first of all.

use std::time::Duration;

use sqlx::mysql::MySqlRow;
use sqlx::{MySql, QueryBuilder};
use workflow_core::adapter::{DueTimer, DueWork, TimerKey, TimerRow};
use workflow_core::{ForeignId, RunId, StatusCode, TimerName, Timestamp, WorkflowName};

use super::clock::StampClock;
use super::read::{lookup, retry_row};
use super::rows::{instant, limit, value, version};
use super::server::Conn;

const TIMERS: &str = "select run_id, entered, name, workflow_name, foreign_id, status, expire_at, created_at, \
                      cast(unix_timestamp(now(3)) * 1000 as signed) from workflow_timeouts force index (workflow_timeouts_due) where state = 0 and workflow_name = ";

/// The places of the due time and of the present among the columns of [`TIMERS`].
const TIMER: Times = Times { due: 6, present: 8 };

const RETRIES: &str = "select run_id, version, process, attempt, due_at, last_error, event, \
                       cast(unix_timestamp(now(3)) * 1000 as signed) from workflow_retries force index (workflow_retries_due) where due_at is not null and workflow_name = ";

/// The places of the due time and of the present among the columns of [`RETRIES`].
const RETRY: Times = Times { due: 4, present: 7 };

/// Where a row has its times.
#[derive(Clone, Copy)]
struct Times {
    due: usize,
    present: usize,
}

pub(super) async fn due(
    connection: &mut Conn<'_>,
    workflows: &[WorkflowName],
    count: usize,
    clock: &StampClock,
) -> Result<DueWork, sqlx::Error> {
    let mut work = DueWork::default();
    if workflows.is_empty() {
        return Ok(work);
    }
    let rows = page(connection, TIMERS, "expire_at", workflows, count).await?;
    let mut is_asked = !rows.is_empty();
    let (rows, next_timer) = split(rows, count, clock, TIMER)?;
    let timers: Vec<TimerRow> = rows.iter().filter_map(timer).collect();
    let runs: Vec<RunId> = timers.iter().map(|timer| timer.key.run_id).collect();
    let records = lookup(connection, &runs).await?;
    work.timers = timers.into_iter().zip(records).map(|(timer, record)| DueTimer { timer, record }).collect();
    let rows = page(connection, RETRIES, "due_at", workflows, count).await?;
    is_asked |= !rows.is_empty();
    let (rows, next_retry) = split(rows, count, clock, RETRY)?;
    for row in &rows {
        work.retries.extend(retry_row(row)?);
    }
    if !is_asked {
        // The clock is kept right even if no row brings the server's time.
        clock.now(connection.raw()).await?;
    }
    work.next_in = next_timer.into_iter().chain(next_retry).min();
    Ok(work)
}

/// How many failed attempts of a workflow wait, among its first rows.
const WAITING: &str = "select count(*) from (select attempt from workflow_retries force index (workflow_retries_due) where \
    due_at is not null and workflow_name = ? order by due_at limit ?) r where r.attempt > 0";

pub(super) async fn waiting_retries(
    connection: &mut Conn<'_>,
    workflow: &WorkflowName,
    count: usize,
) -> Result<u64, sqlx::Error> {
    let query = sqlx::query_scalar::<_, i64>(connection.sql(WAITING)).bind(workflow.as_str().to_owned());
    Ok(query.bind(limit(count)).fetch_one(connection.raw()).await?.unsigned_abs())
}

/// The first rows by their due time, and one more. Each workflow is looked for by itself, so that the rows of one whose
/// process is away do not stand before the others.
async fn page(
    connection: &mut Conn<'_>,
    select: &'static str,
    due: &'static str,
    workflows: &[WorkflowName],
    count: usize,
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    let (select, most) = (connection.sql(select), limit(count).saturating_add(1));
    let several = workflows.len() > 1;
    let mut text = QueryBuilder::<MySql>::new(if several { "select * from ((" } else { "" });
    for (at, name) in workflows.iter().enumerate() {
        text.push(if at > 0 { ") union all (" } else { "" });
        text.push(select.as_str()).push_bind(name.as_str().to_owned());
        text.push(format!(" order by {due} limit ")).push_bind(most);
    }
    if several {
        text.push(format!(")) due order by {due} limit ")).push_bind(most);
    }
    text.build().fetch_all(connection.raw()).await
}

/// Those that are due, and how long until the next one. All rows of an answer have one present.
fn split(
    mut rows: Vec<MySqlRow>,
    count: usize,
    clock: &StampClock,
    times: Times,
) -> Result<(Vec<MySqlRow>, Option<Duration>), sqlx::Error> {
    let Some(first) = rows.first() else { return Ok((rows, None)) };
    let now = clock.hear(Timestamp::from_millis(value(first, times.present)?));
    let mut taken = 0;
    while taken < rows.len().min(count) && instant(&rows[taken], times.due)? <= now {
        taken += 1;
    }
    let next = match rows.get(taken) {
        Some(row) => Some(instant(row, times.due)?.since(now)),
        None => None,
    };
    rows.truncate(taken);
    Ok((rows, next))
}

/// A timer; `None` if it cannot be read, which is logged.
fn timer(row: &MySqlRow) -> Option<TimerRow> {
    let read = || -> Result<TimerRow, Box<dyn std::error::Error>> {
        Ok(TimerRow {
            key: TimerKey {
                run_id: value::<&str>(row, 0)?.parse()?,
                entered: version(value(row, 1)?).ok_or("version 0")?,
                name: TimerName::new(value::<String>(row, 2)?)?,
            },
            workflow_name: WorkflowName::new(value::<String>(row, 3)?)?,
            foreign_id: ForeignId::new(value::<String>(row, 4)?)?,
            status: StatusCode::new(value(row, 5)?)?,
            expire_at: instant(row, TIMER.due)?,
            created_at: instant(row, 7)?,
        })
    };
    read().map_err(|error| tracing::error!(error = %error, "a timer's row cannot be read")).ok()
}
