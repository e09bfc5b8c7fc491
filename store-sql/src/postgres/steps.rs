//! The statements of maintenance.

use std::collections::HashSet;

use chrono::NaiveDateTime;
use sqlx::Row;
use workflow_core::{Event, EventId, RunId, Timestamp};

use super::connect::Conn;
use super::read::limit;
use super::stamp::{column, instant};
use crate::Table;
use crate::maintenance::{ArchiveTable, Mark, Old, Slice, Steps};
use crate::record_row::as_i64;

/// The columns of a run that are copied, and those of its history.
const RECORD: &str = "workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, meta, version, \
                      last_event_id, paused_by, start_key";
const HISTORY: &str = "run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt, \
                       duration_us, at, object";

const END: &str = "select created_at, run_id from workflow_records where workflow_name = $1 and created_at < $2 and \
    (created_at, run_id) > ($3, $4) order by created_at, run_id limit 1 offset $5";

const OLD: &str = "select created_at, run_id, run_state, updated_at from workflow_records where workflow_name = $1 and \
    updated_at < $2 and (created_at, run_id) > ($3, $4) and (created_at, run_id) <= ($5, $6) and run_state = any($7) order by \
    created_at, run_id limit $8";

const LOCK: &str = "select r.run_id from unnest($1::text[], $2::integer[], $3::timestamp[]) as d(run_id, run_state, updated_at) \
    join workflow_records r on r.run_id = d.run_id and r.run_state = d.run_state and r.updated_at = d.updated_at for update of \
    r skip locked";

/// What keeps a run from expiring.
const HELD: [&str; 3] = [
    "select distinct run_id from workflow_outbox where run_id = any($1)",
    "select run_id from workflow_retries where due_at is not null and run_id = any($1)",
    "select run_id from workflow_dead_letters where run_id = any($1)",
];

/// What belongs to a run, and goes with it.
const FORGET: [&str; 5] = [
    "delete from workflow_history where run_id = any($1)",
    "delete from workflow_timeouts where run_id = any($1)",
    "delete from workflow_retries where run_id = any($1)",
    "delete from workflow_inbox where run_id = any($1)",
    "delete from workflow_records where run_id = any($1)",
];

const COUNT_HISTORY: &str = "select count(*) from workflow_history where run_id = any($1)";

const DELETE_HISTORY: &str = "delete from workflow_history h using (select run_id, version from workflow_history where run_id \
    = any($1) limit $2) d where h.run_id = d.run_id and h.version = d.version";

/// A connection in a transaction.
pub(super) struct PostgresSteps<'c>(pub(super) Conn<'c>);

impl Steps for PostgresSteps<'_> {
    async fn end_of(&mut self, slice: &Slice) -> Result<Option<Mark>, sqlx::Error> {
        let row = sqlx::query(self.0.sql(END))
            .bind(&slice.workflow)
            .bind(column(slice.before))
            .bind(column(slice.after.created_at))
            .bind(&slice.after.run_id)
            .bind(limit(slice.scan_rows() - 1))
            .fetch_optional(self.0.raw())
            .await?;
        row.map(|row| Ok(Mark { created_at: instant(row.try_get(0)?), run_id: row.try_get(1)? })).transpose()
    }

    async fn old(&mut self, slice: &Slice, up_to: &Mark) -> Result<Vec<Old>, sqlx::Error> {
        let rows = sqlx::query(self.0.sql(OLD))
            .bind(&slice.workflow)
            .bind(column(slice.before))
            .bind(column(slice.after.created_at))
            .bind(&slice.after.run_id)
            .bind(column(up_to.created_at))
            .bind(&up_to.run_id)
            .bind(&slice.states[..])
            .bind(limit(slice.rows))
            .fetch_all(self.0.raw())
            .await?;
        let old = |row: &sqlx::postgres::PgRow| {
            let mark = Mark { created_at: instant(row.try_get(0)?), run_id: row.try_get(1)? };
            Ok(Old { mark, run_state: row.try_get(2)?, updated_at: instant(row.try_get(3)?) })
        };
        rows.iter().map(old).collect()
    }

    async fn lock(&mut self, runs: &[Old]) -> Result<Vec<String>, sqlx::Error> {
        let ids: Vec<&str> = runs.iter().map(|run| &*run.mark.run_id).collect();
        let states: Vec<i32> = runs.iter().map(|run| run.run_state).collect();
        let stored: Vec<NaiveDateTime> = runs.iter().map(|run| column(run.updated_at)).collect();
        let query = sqlx::query_scalar(self.0.sql(LOCK)).bind(ids).bind(states).bind(stored);
        query.fetch_all(self.0.raw()).await
    }

    async fn held_back(&mut self, runs: &[String]) -> Result<HashSet<String>, sqlx::Error> {
        let mut held = HashSet::new();
        for statement in HELD {
            held.extend(
                sqlx::query_scalar::<_, String>(self.0.sql(statement))
                    .bind(runs)
                    .fetch_all(self.0.raw())
                    .await?,
            );
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
            let text = format!(
                "insert into {target} ({columns}) select {columns} from {source} where run_id = any($1)"
            );
            let copy = sqlx::query(sqlx::AssertSqlSafe(text)).bind(runs);
            copy.execute(self.0.raw()).await?;
        }
        Ok(())
    }

    async fn forget(&mut self, runs: &[String]) -> Result<(), sqlx::Error> {
        for statement in FORGET {
            sqlx::query(self.0.sql(statement)).bind(runs).execute(self.0.raw()).await?;
        }
        Ok(())
    }

    async fn count_history(&mut self, runs: &[String]) -> Result<u64, sqlx::Error> {
        let count =
            sqlx::query_scalar::<_, i64>(self.0.sql(COUNT_HISTORY)).bind(runs).fetch_one(self.0.raw());
        Ok(count.await?.unsigned_abs())
    }

    async fn delete_history(&mut self, runs: &[String], rows: usize) -> Result<u64, sqlx::Error> {
        let delete =
            sqlx::query(self.0.sql(DELETE_HISTORY)).bind(runs).bind(limit(rows)).execute(self.0.raw());
        Ok(delete.await?.rows_affected())
    }

    async fn letter(&mut self, id: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let text = "select data from workflow_dead_letters where id = $1 for update";
        sqlx::query_scalar(self.0.sql(text)).bind(id).fetch_optional(self.0.raw()).await
    }

    async fn delete_letter(&mut self, id: &str) -> Result<bool, sqlx::Error> {
        let delete = sqlx::query(self.0.sql("delete from workflow_dead_letters where id = $1")).bind(id);
        Ok(delete.execute(self.0.raw()).await?.rows_affected() > 0)
    }

    async fn last_event(&mut self, run_id: RunId) -> Result<Option<String>, sqlx::Error> {
        let text = "select last_event_id from workflow_records where run_id = $1";
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
                    ($1, $2, $3, $4, $5, $6, $7)";
        let insert = sqlx::query(self.0.sql(text))
            .bind(row.to_string())
            .bind(event.workflow_name.as_str())
            .bind(data)
            .bind(column(now))
            .bind(event.run_id.to_string())
            .bind(event.version.map(|version| as_i64(version.get())))
            .bind(i16::try_from(event.run_id.bucket()).unwrap_or(i16::MAX));
        insert.execute(self.0.raw()).await.map(drop)
    }
}
