//! The statements of maintenance.

use std::collections::HashSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};
use workflow_core::{Event, EventId, RunId, Timestamp};

use super::bulk::Bulk;
use super::damaged;
use super::open::Conn;
use crate::Table;
use crate::maintenance::{ArchiveTable, Mark, Old, Slice, Steps};
use crate::record_row::as_i64;

/// The columns of a run that are copied, and those of its history.
const RECORD: &str = "workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, meta, version, \
                      last_event_id, paused_by, start_key";
const HISTORY: &str = "run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, \
                       duration_us, at, object";

/// How many ids one statement takes.
const IDS_MAX: usize = 256;

/// Rows whose key is damaged are passed over: nothing could be found again by it.
const END: &str = "select created_at, run_id from workflow_records where workflow_name = ? and created_at < ? and (created_at, \
    run_id) > (?, ?) and typeof(run_id) = 'text' order by created_at, run_id limit 1 offset ?";

const OLD: &str = "select created_at, run_id, run_state, updated_at from workflow_records where workflow_name = ? and \
    updated_at < ? and (created_at, run_id) > (?, ?) and (created_at, run_id) <= (?, ?) and typeof(run_id) = 'text' and \
    run_state in (?, ?, ?) order by created_at, run_id limit ?";

/// What keeps a run from expiring.
const HELD: [Bulk; 3] = [
    Bulk { before: "select distinct run_id from workflow_outbox where run_id in", columns: 1, after: "" },
    Bulk {
        before: "select run_id from workflow_retries where due_at is not null and run_id in",
        columns: 1,
        after: "",
    },
    Bulk { before: "select run_id from workflow_dead_letters where run_id in", columns: 1, after: "" },
];

/// What belongs to a run, and goes with it.
const FORGET: [Bulk; 5] = [
    Bulk { before: "delete from workflow_history where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_timeouts where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_retries where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_inbox where run_id in", columns: 1, after: "" },
    Bulk { before: "delete from workflow_records where run_id in", columns: 1, after: "" },
];

/// A connection, in a transaction where anything is written.
pub(super) struct SqliteSteps<'c>(pub(super) Conn<'c>);

impl Steps for SqliteSteps<'_> {
    async fn end_of(&mut self, slice: &Slice) -> Result<Option<Mark>, sqlx::Error> {
        let row = sqlx::query(self.0.sql(END))
            .bind(&slice.workflow)
            .bind(slice.before.as_millis())
            .bind(slice.after.created_at.as_millis())
            .bind(&slice.after.run_id)
            .bind(rows_of(slice.scan_rows() - 1))
            .fetch_optional(self.0.raw())
            .await?;
        row.map(|row| mark(&row)).transpose()
    }

    async fn old(&mut self, slice: &Slice, up_to: &Mark) -> Result<Vec<Old>, sqlx::Error> {
        let [first, second, third] = slice.states;
        let rows = sqlx::query(self.0.sql(OLD))
            .bind(&slice.workflow)
            .bind(slice.before.as_millis())
            .bind(slice.after.created_at.as_millis())
            .bind(&slice.after.run_id)
            .bind(up_to.created_at.as_millis())
            .bind(&up_to.run_id)
            .bind(first)
            .bind(second)
            .bind(third)
            .bind(rows_of(slice.rows))
            .fetch_all(self.0.raw())
            .await?;
        let old = |row| {
            let updated_at = Timestamp::from_millis(damaged::number(row, 3));
            Ok(Old { mark: mark(row)?, run_state: row.try_get(2)?, updated_at })
        };
        rows.iter().map(old).collect()
    }

    /// Whoever writes is alone.
    async fn lock(&mut self, runs: &[Old]) -> Result<Vec<String>, sqlx::Error> {
        Ok(runs.iter().map(|run| run.mark.run_id.clone()).collect())
    }

    async fn held_back(&mut self, runs: &[String]) -> Result<HashSet<String>, sqlx::Error> {
        let mut held = HashSet::new();
        for statement in &HELD {
            let rows = statement.fetch(&mut self.0, runs, |query, run| query.bind(run.clone())).await?;
            held.extend(rows.iter().map(|row| damaged::text(row, 0)));
        }
        Ok(held)
    }

    async fn copy(&mut self, into: &ArchiveTable, runs: &[String]) -> Result<(), sqlx::Error> {
        let names = self.0.names();
        let tables = [
            (names.beside(into.records()), RECORD, names.qualified(Table::Records)),
            (names.beside(&into.history()), HISTORY, names.qualified(Table::History)),
        ];
        for (target, columns, source) in &tables {
            for part in runs.chunks(IDS_MAX) {
                let before = format!(
                    "insert into {target} ({columns}) select {columns} from {source} where run_id in ("
                );
                of_runs(before, part).build().execute(self.0.raw()).await?;
            }
        }
        Ok(())
    }

    async fn forget(&mut self, runs: &[String]) -> Result<(), sqlx::Error> {
        for statement in &FORGET {
            statement.run(&mut self.0, runs, |query, run| query.bind(run.clone())).await?;
        }
        Ok(())
    }

    async fn count_history(&mut self, runs: &[String]) -> Result<u64, sqlx::Error> {
        let (mut rows, history) = (0, self.0.names().qualified(Table::History));
        for part in runs.chunks(IDS_MAX) {
            let mut text = of_runs(format!("select count(*) from {history} where run_id in ("), part);
            let counted: i64 = text.build_query_scalar().fetch_one(self.0.raw()).await?;
            rows += counted.unsigned_abs();
        }
        Ok(rows)
    }

    async fn delete_history(&mut self, runs: &[String], rows: usize) -> Result<u64, sqlx::Error> {
        let (mut left, history) = (rows as u64, self.0.names().qualified(Table::History));
        for part in runs.chunks(IDS_MAX) {
            let before = format!(
                "delete from {history} where (run_id, version) in (select run_id, version from {history} where run_id in ("
            );
            let mut text = of_runs(before, part);
            text.push(" limit ").push_bind(as_i64(left)).push(")");
            left -= text.build().execute(self.0.raw()).await?.rows_affected();
            if left == 0 {
                break;
            }
        }
        Ok(rows as u64 - left)
    }

    async fn letter(&mut self, id: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let text = "select data from workflow_dead_letters where id = ?";
        let row = sqlx::query(self.0.sql(text)).bind(id.to_owned()).fetch_optional(self.0.raw()).await?;
        Ok(row.map(|row| damaged::bytes(&row, 0)))
    }

    async fn delete_letter(&mut self, id: &str) -> Result<bool, sqlx::Error> {
        let delete =
            sqlx::query(self.0.sql("delete from workflow_dead_letters where id = ?")).bind(id.to_owned());
        Ok(delete.execute(self.0.raw()).await?.rows_affected() > 0)
    }

    async fn last_event(&mut self, run_id: RunId) -> Result<Option<String>, sqlx::Error> {
        let text = "select last_event_id from workflow_records where run_id = ?";
        let row = sqlx::query(self.0.sql(text)).bind(run_id.to_string()).fetch_optional(self.0.raw()).await?;
        Ok(row.map(|row| damaged::text(&row, 0)))
    }

    async fn put_outbox(
        &mut self,
        row: EventId,
        event: &Event,
        data: &[u8],
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let text = "insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) values \
                    (?, ?, ?, ?, ?, ?, ?)";
        let insert = sqlx::query(self.0.sql(text))
            .bind(row.to_string())
            .bind(event.workflow_name.as_str().to_owned())
            .bind(data.to_owned())
            .bind(now.as_millis())
            .bind(event.run_id.to_string())
            .bind(event.version.map(|version| as_i64(version.get())))
            .bind(i64::from(event.run_id.bucket()));
        insert.execute(self.0.raw()).await.map(drop)
    }
}

fn mark(row: &SqliteRow) -> Result<Mark, sqlx::Error> {
    Ok(Mark { created_at: Timestamp::from_millis(row.try_get(0)?), run_id: row.try_get(1)? })
}

/// How many rows, as a statement takes it.
pub(super) fn rows_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A statement that ends in a list of runs. The last one fills the list up, so that there are few texts, which stay
/// prepared: to prepare one costs more than to run it.
fn of_runs(before: String, runs: &[String]) -> QueryBuilder<sqlx::Sqlite> {
    let mut text = QueryBuilder::new(before);
    let mut list = text.separated(", ");
    let fill = runs.last().into_iter().cycle().take(runs.len().next_power_of_two() - runs.len());
    for run in runs.iter().chain(fill) {
        list.push_bind(run.clone());
    }
    text.push(")");
    text
}
