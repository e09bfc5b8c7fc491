//! What is due, by index.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use workflow_core::adapter::{DueTimer, DueWork, TimerKey, TimerRow};
use workflow_core::{ForeignId, RunId, StatusCode, TimerName, Timestamp, Version, WorkflowName};

use super::read::{lookup, retry_row};

pub(super) async fn due(
    connection: &mut SqliteConnection,
    workflows: &[WorkflowName],
    limit: usize,
    now: Timestamp,
) -> Result<DueWork, sqlx::Error> {
    let mut work = DueWork::default();
    let timers = "select run_id, entered, name, workflow_name, foreign_id, status, expire_at, created_at from \
                  workflow_timeouts where state = 0 and workflow_name in (";
    let rows = page(connection, timers, "expire_at", workflows, limit).await?;
    let (rows, next_timer) = split(rows, limit, now, "expire_at")?;
    let timers: Vec<TimerRow> = rows.iter().filter_map(timer).collect();
    let runs: Vec<RunId> = timers.iter().map(|timer| timer.key.run_id).collect();
    let records = lookup(connection, &runs).await?;
    work.timers = timers.into_iter().zip(records).map(|(timer, record)| DueTimer { timer, record }).collect();
    let retries = "select run_id, version, process, attempt, due_at, last_error, event from workflow_retries where due_at \
                   is not null and workflow_name in (";
    let rows = page(connection, retries, "due_at", workflows, limit).await?;
    let (rows, next_retry) = split(rows, limit, now, "due_at")?;
    for row in &rows {
        work.retries.extend(retry_row(row)?);
    }
    work.next_in = next_timer.into_iter().chain(next_retry).min();
    Ok(work)
}

/// The first rows by their due time, and one more.
async fn page(
    connection: &mut SqliteConnection,
    select: &'static str,
    due: &'static str,
    workflows: &[WorkflowName],
    limit: usize,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let mut text = QueryBuilder::<Sqlite>::new(select);
    let mut names = text.separated(", ");
    for name in workflows {
        names.push_bind(name.as_str().to_owned());
    }
    text.push(format!(") order by {due} limit "));
    text.push_bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
    text.build().fetch_all(connection).await
}

/// Those that are due, and how long until the next one.
fn split(
    mut rows: Vec<SqliteRow>,
    limit: usize,
    now: Timestamp,
    due: &str,
) -> Result<(Vec<SqliteRow>, Option<Duration>), sqlx::Error> {
    let mut count = 0;
    while count < rows.len().min(limit) && rows[count].try_get::<i64, _>(due)? <= now.as_millis() {
        count += 1;
    }
    let next = match rows.get(count) {
        Some(row) => Some(Timestamp::from_millis(row.try_get(due)?).since(now)),
        None => None,
    };
    rows.truncate(count);
    Ok((rows, next))
}

/// A timer; `None` if it cannot be read, which is logged.
fn timer(row: &SqliteRow) -> Option<TimerRow> {
    let read = || -> Result<TimerRow, Box<dyn std::error::Error>> {
        let name: String = row.try_get(2)?;
        let workflow_name: String = row.try_get(3)?;
        let foreign_id: String = row.try_get(4)?;
        Ok(TimerRow {
            key: TimerKey {
                run_id: row.try_get::<&str, _>(0)?.parse()?,
                entered: Version::new(row.try_get::<i64, _>(1)?.unsigned_abs()).ok_or("version 0")?,
                name: TimerName::new(name)?,
            },
            workflow_name: WorkflowName::new(workflow_name)?,
            foreign_id: ForeignId::new(foreign_id)?,
            status: StatusCode::new(row.try_get(5)?)?,
            expire_at: Timestamp::from_millis(row.try_get(6)?),
            created_at: Timestamp::from_millis(row.try_get(7)?),
        })
    };
    read().map_err(|error| tracing::error!(error = %error, "a row of workflow_timeouts cannot be read")).ok()
}
