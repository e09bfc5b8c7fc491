//! What is due, by index: the first rows of each workflow, and of these the first of all.

use std::time::Duration;

use sqlx::mysql::MySqlRow;
use sqlx::{MySql, QueryBuilder};
use workflow_core::adapter::{DueTimer, DueWork, TimerKey, TimerRow};
use workflow_core::{ForeignId, RunId, StatusCode, TimerName, Timestamp, WorkflowName};

use super::read::{lookup, retry_row};
use super::rows::{instant, limit, value, version};
use super::server::Conn;

const TIMERS: &str = "select run_id, entered, name, workflow_name, foreign_id, status, expire_at, created_at from \
                      workflow_timeouts force index (workflow_timeouts_due) where state = 0 and workflow_name = ";

/// The place of the due time among the columns of [`TIMERS`].
const TIMER_DUE: usize = 6;

const RETRIES: &str = "select run_id, version, process, attempt, due_at, last_error, event from workflow_retries force \
                       index (workflow_retries_due) where due_at is not null and workflow_name = ";

/// The place of the due time among the columns of [`RETRIES`].
const RETRY_DUE: usize = 4;

pub(super) async fn due(
    connection: &mut Conn<'_>,
    workflows: &[WorkflowName],
    count: usize,
    now: Timestamp,
) -> Result<DueWork, sqlx::Error> {
    let mut work = DueWork::default();
    if workflows.is_empty() {
        return Ok(work);
    }
    let rows = page(connection, TIMERS, "expire_at", workflows, count).await?;
    let (rows, next_timer) = split(rows, count, now, TIMER_DUE)?;
    let timers: Vec<TimerRow> = rows.iter().filter_map(timer).collect();
    let runs: Vec<RunId> = timers.iter().map(|timer| timer.key.run_id).collect();
    let records = lookup(connection, &runs).await?;
    work.timers = timers.into_iter().zip(records).map(|(timer, record)| DueTimer { timer, record }).collect();
    let rows = page(connection, RETRIES, "due_at", workflows, count).await?;
    let (rows, next_retry) = split(rows, count, now, RETRY_DUE)?;
    for row in &rows {
        work.retries.extend(retry_row(row)?);
    }
    work.next_in = next_timer.into_iter().chain(next_retry).min();
    Ok(work)
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

/// Those that are due, and how long until the next one.
fn split(
    mut rows: Vec<MySqlRow>,
    count: usize,
    now: Timestamp,
    due: usize,
) -> Result<(Vec<MySqlRow>, Option<Duration>), sqlx::Error> {
    let mut taken = 0;
    while taken < rows.len().min(count) && instant(&rows[taken], due)? <= now {
        taken += 1;
    }
    let next = match rows.get(taken) {
        Some(row) => Some(instant(row, due)?.since(now)),
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
            expire_at: instant(row, TIMER_DUE)?,
            created_at: instant(row, 7)?,
        })
    };
    read().map_err(|error| tracing::error!(error = %error, "a timer's row cannot be read")).ok()
}
