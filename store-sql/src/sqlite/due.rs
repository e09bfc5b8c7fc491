//! What is due, by index.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use workflow_core::adapter::{DueTimer, DueWork, TimerKey, TimerRow};
use workflow_core::{ForeignId, RunId, StatusCode, TimerName, Timestamp, WorkflowName};

use super::damaged::{self, Damaged, Table};
use super::open::Conn;
use super::read::{lookup, retry_row};

/// What is due, and the rows that cannot be read, which are to be set aside.
pub(super) async fn due(
    connection: &mut Conn<'_>,
    workflows: &[WorkflowName],
    limit: usize,
    now: Timestamp,
) -> Result<(DueWork, Vec<Damaged>), sqlx::Error> {
    let (mut work, mut damaged) = (DueWork::default(), Vec::new());
    let timers = "select run_id, entered, name, workflow_name, foreign_id, status, expire_at, created_at from \
                  workflow_timeouts where state = 0 and workflow_name in (";
    let rows = page(connection, timers, "expire_at", workflows, limit).await?;
    let (rows, next_timer) = split(rows, limit, now, 6);
    let mut timers: Vec<TimerRow> = Vec::with_capacity(rows.len());
    for row in &rows {
        match timer(row) {
            Ok(timer) => timers.push(timer),
            Err(why) => damaged.push(Damaged::new(Table::Timeouts, row, [3, 2], &why.to_string())),
        }
    }
    let runs: Vec<RunId> = timers.iter().map(|timer| timer.key.run_id).collect();
    let records = lookup(connection, &runs).await?;
    work.timers = timers.into_iter().zip(records).map(|(timer, record)| DueTimer { timer, record }).collect();
    let retries = "select run_id, version, process, attempt, due_at, last_error, event, workflow_name from \
                   workflow_retries where due_at is not null and workflow_name in (";
    let rows = page(connection, retries, "due_at", workflows, limit).await?;
    let (rows, next_retry) = split(rows, limit, now, 4);
    for row in &rows {
        match retry_row(row) {
            Ok(retry) => work.retries.push(retry),
            Err(why) => damaged.push(Damaged::new(Table::Retries, row, [7, 6], &why)),
        }
    }
    work.next_in = next_timer.into_iter().chain(next_retry).min();
    Ok((work, damaged))
}

/// How many failed attempts wait, among the first rows of all workflows: the index is over all of them.
const WAITING: &str = "select count(*) from (select workflow_name, attempt from workflow_retries where due_at is not null order \
    by due_at limit ?) where workflow_name = ? and attempt > 0";

pub(super) async fn waiting_retries(
    connection: &mut Conn<'_>,
    workflow: &WorkflowName,
    limit: usize,
) -> Result<u64, sqlx::Error> {
    let query = sqlx::query_scalar::<_, i64>(connection.sql(WAITING));
    let query = query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).bind(workflow.as_str().to_owned());
    Ok(query.fetch_one(connection.raw()).await?.unsigned_abs())
}

/// The first rows by their due time, and one more.
async fn page(
    connection: &mut Conn<'_>,
    select: &'static str,
    due: &'static str,
    workflows: &[WorkflowName],
    limit: usize,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let mut text = QueryBuilder::<Sqlite>::new(connection.sql(select).as_str());
    let mut names = text.separated(", ");
    for name in workflows {
        names.push_bind(name.as_str().to_owned());
    }
    text.push(format!(") order by {due} limit "));
    text.push_bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
    text.build().fetch_all(connection.raw()).await
}

/// Those that are due, and how long until the next one. A row whose due time is none is due.
fn split(
    mut rows: Vec<SqliteRow>,
    limit: usize,
    now: Timestamp,
    due_at: usize,
) -> (Vec<SqliteRow>, Option<Duration>) {
    let due_of = |row: &SqliteRow| Timestamp::from_millis(row.try_get(due_at).unwrap_or(0));
    let count = rows.iter().take(limit).take_while(|row| due_of(row) <= now).count();
    let next = rows.get(count).map(|row| due_of(row).since(now));
    rows.truncate(count);
    (rows, next)
}

/// A timer, or why it cannot be read.
fn timer(row: &SqliteRow) -> Result<TimerRow, Box<dyn std::error::Error>> {
    let name: String = row.try_get(2)?;
    let workflow_name: String = row.try_get(3)?;
    let foreign_id: String = row.try_get(4)?;
    Ok(TimerRow {
        key: TimerKey {
            run_id: damaged::run_id(row, 0).ok_or("column run_id is no run's id")?,
            entered: damaged::version(row, 1).ok_or("column entered is no version")?,
            name: TimerName::new(name)?,
        },
        workflow_name: WorkflowName::new(workflow_name)?,
        foreign_id: ForeignId::new(foreign_id)?,
        status: StatusCode::new(row.try_get(5)?)?,
        expire_at: Timestamp::from_millis(row.try_get(6)?),
        created_at: Timestamp::from_millis(damaged::number(row, 7)),
    })
}
