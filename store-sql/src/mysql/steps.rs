//! The statements of maintenance.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::QueryBuilder;
use workflow_core::{Event, EventId, RunId, Timestamp};

use super::bulk::Bulk;
use super::named::{Named, delete_of_runs, keys, named_runs};
use super::rows::{datetime, instant, limit, value};
use super::server::Conn;
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

const END: &str = "select created_at, run_id from workflow_records force index (workflow_records_by_age) where \
    workflow_records.workflow_name = ? and created_at < ? and created_at >= ? and (created_at > ? or run_id > ?) order by \
    created_at, run_id limit 1 offset ?";

/// A comparison of pairs would not be read as a range of the index.
const OLD: &str = "select created_at, run_id, run_state, updated_at from workflow_records force index \
    (workflow_records_by_age) where workflow_records.workflow_name = ? and updated_at < ? and created_at >= ? and \
    (created_at > ? or run_id > ?) and created_at <= ? and (created_at < ? or run_id <= ?) and run_state in (?, ?, ?) order \
    by created_at, run_id limit ?";

const LOCK: Bulk = Bulk::any_where(
    "select run_id from workflow_records force index (primary) where ",
    "(run_id = ? and run_state = ? and updated_at = ?)",
    " for update skip locked",
);

/// What keeps a run from expiring.
const HELD: [Bulk; 3] = [
    Bulk::any_of(
        "select distinct run_id from workflow_outbox force index (workflow_outbox_by_run) where run_id in (",
        ")",
    ),
    Bulk::any_of(
        "select run_id from workflow_retries force index (primary) where due_at is not null and run_id in (",
        ")",
    ),
    Bulk::any_of(
        "select run_id from workflow_dead_letters force index (workflow_dead_letters_by_run) where run_id in (",
        ")",
    ),
];

/// What belongs to a run, and goes with it.
const FORGET: [Named; 5] = [
    delete_of_runs!("workflow_history", "primary"),
    delete_of_runs!("workflow_timeouts", "primary"),
    delete_of_runs!("workflow_retries", "primary"),
    delete_of_runs!("workflow_inbox", "primary"),
    delete_of_runs!("workflow_records", "primary"),
];

/// A part of the history of runs, looked up by their keys.
const DELETE_HISTORY: &str = concat!(
    "delete h from (select k.run_id, i.version from ",
    named_runs!(),
    " k straight_join workflow_history i force index (primary) on i.run_id = k.run_id limit ?) d straight_join \
     workflow_history h force index (primary) on h.run_id = d.run_id and h.version = d.version"
);

/// A connection in a transaction.
pub(super) struct MySqlSteps<'c>(pub(super) Conn<'c>);

impl Steps for MySqlSteps<'_> {
    async fn end_of(&mut self, slice: &Slice) -> Result<Option<Mark>, sqlx::Error> {
        let after = datetime(slice.after.created_at);
        let row = sqlx::query(self.0.sql(END))
            .bind(&slice.workflow)
            .bind(datetime(slice.before))
            .bind(after)
            .bind(after)
            .bind(&slice.after.run_id)
            .bind(limit(slice.scan_rows() - 1))
            .fetch_optional(self.0.raw())
            .await?;
        row.map(|row| Ok(Mark { created_at: instant(&row, 0)?, run_id: value(&row, 1)? })).transpose()
    }

    async fn old(&mut self, slice: &Slice, up_to: &Mark) -> Result<Vec<Old>, sqlx::Error> {
        let (after, end) = (datetime(slice.after.created_at), datetime(up_to.created_at));
        let [first, second, third] = slice.states;
        let rows = sqlx::query(self.0.sql(OLD))
            .bind(&slice.workflow)
            .bind(datetime(slice.before))
            .bind(after)
            .bind(after)
            .bind(&slice.after.run_id)
            .bind(end)
            .bind(end)
            .bind(&up_to.run_id)
            .bind(first)
            .bind(second)
            .bind(third)
            .bind(limit(slice.rows))
            .fetch_all(self.0.raw())
            .await?;
        let old = |row| {
            let mark = Mark { created_at: instant(row, 0)?, run_id: value(row, 1)? };
            Ok(Old { mark, run_state: value(row, 2)?, updated_at: instant(row, 3)? })
        };
        rows.iter().map(old).collect()
    }

    async fn lock(&mut self, runs: &[Old]) -> Result<Vec<String>, sqlx::Error> {
        let locked = LOCK.fetch(&mut self.0, runs, |query, run| {
            query.bind(&run.mark.run_id).bind(run.run_state).bind(datetime(run.updated_at))
        });
        locked.await?.iter().map(|row| value(row, 0)).collect()
    }

    async fn held_back(&mut self, runs: &[String]) -> Result<HashSet<String>, sqlx::Error> {
        let mut held = HashSet::new();
        for statement in &HELD {
            for row in &statement.fetch(&mut self.0, runs, |query, run| query.bind(run)).await? {
                held.insert(value(row, 0)?);
            }
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
                let mut text = of_runs(before, part);
                text.build().execute(self.0.raw()).await?;
            }
        }
        Ok(())
    }

    async fn forget(&mut self, runs: &[String]) -> Result<(), sqlx::Error> {
        for statement in &FORGET {
            statement.run(&mut self.0, runs, |run| Value::from(run.as_str())).await?;
        }
        Ok(())
    }

    async fn count_history(&mut self, runs: &[String]) -> Result<u64, sqlx::Error> {
        let (mut rows, history) = (0, self.0.names().qualified(Table::History));
        for part in runs.chunks(IDS_MAX) {
            let mut text = of_runs(
                format!("select count(*) from {history} force index (primary) where run_id in ("),
                part,
            );
            let counted: i64 = text.build_query_scalar().fetch_one(self.0.raw()).await?;
            rows += counted.unsigned_abs();
        }
        Ok(rows)
    }

    async fn delete_history(&mut self, runs: &[String], rows: usize) -> Result<u64, sqlx::Error> {
        let mut left = rows as u64;
        for part in runs.chunks(IDS_MAX) {
            let runs = keys(part, |run| Value::from(run.as_str()));
            let delete = sqlx::query(self.0.sql(DELETE_HISTORY)).bind(runs).bind(as_i64(left));
            left -= delete.execute(self.0.raw()).await?.rows_affected();
            if left == 0 {
                break;
            }
        }
        Ok(rows as u64 - left)
    }

    async fn letter(&mut self, id: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let text = "select data from workflow_dead_letters where id = ? for update";
        sqlx::query_scalar(self.0.sql(text)).bind(id).fetch_optional(self.0.raw()).await
    }

    async fn delete_letter(&mut self, id: &str) -> Result<bool, sqlx::Error> {
        let delete = sqlx::query(self.0.sql("delete from workflow_dead_letters where id = ?")).bind(id);
        Ok(delete.execute(self.0.raw()).await?.rows_affected() > 0)
    }

    async fn last_event(&mut self, run_id: RunId) -> Result<Option<String>, sqlx::Error> {
        let text = "select last_event_id from workflow_records where run_id = ?";
        let found = sqlx::query_scalar::<_, Option<String>>(self.0.sql(text)).bind(run_id.to_string());
        Ok(found.fetch_optional(self.0.raw()).await?.flatten())
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
            .bind(event.workflow_name.as_str())
            .bind(data)
            .bind(datetime(now))
            .bind(event.run_id.to_string())
            .bind(event.version.map(|version| as_i64(version.get())))
            .bind(event.run_id.bucket());
        insert.execute(self.0.raw()).await.map(drop)
    }
}

/// A statement that ends in a list of runs. The last one fills the list up, so that there are few texts, which stay
/// prepared: to prepare one costs more than to run it.
fn of_runs(before: String, runs: &[String]) -> QueryBuilder<sqlx::MySql> {
    let mut text = QueryBuilder::new(before);
    let mut list = text.separated(", ");
    let fill = runs.last().into_iter().cycle().take(runs.len().next_power_of_two() - runs.len());
    for run in runs.iter().chain(fill) {
        list.push_bind(run.clone());
    }
    text.push(")");
    text
}
