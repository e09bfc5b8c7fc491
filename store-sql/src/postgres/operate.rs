//! What operators ask of the store.

use std::sync::Arc;

use sqlx::Row;
use workflow_core::Timestamp;
use workflow_core::adapter::{BackendError, DeadLetter};

use super::connect::Conn;
use super::read::{dead_letter, limit};
use super::stamp::{column, instant};
use super::steps::PostgresSteps;
use super::store::PostgresStore;
use crate::Table;
use crate::TableNames;
use crate::maintenance::{
    self, ArchiveTable, Discarded, Forwarded, LetterQuery, OutboxSlice, Requeued, Slice, Sliced, TableSize,
    Unrouted, WorkflowOutbox,
};

/// How many rows of the outbox one statement counts.
const COUNT_ROWS: usize = 50_000;

/// How many rows of other programs are read at once.
const UNROUTED_ROWS: usize = 1000;

const OUTBOX: &str = "select s.workflow_name, count(*), min(s.created_at), max(s.id) from (select id, workflow_name, created_at \
    from workflow_outbox where id > $1 order by id limit $2) s group by s.workflow_name";

/// A piece of the outbox by its ids, whose rows of other programs are taken: they have no index of their own.
const UNROUTED: &str = "select id, workflow_name, data, run_id is null and created_at <= $2 from (select id, workflow_name, case \
    when run_id is null and created_at <= $2 then data end as data, run_id, created_at from workflow_outbox where id > $1 order \
    by id limit $3) s order by id";

const LETTERS: &str = "select id, workflow_name, run_id, version, process, reason, data, created_at from \
    workflow_dead_letters where ($1::text is null or workflow_name = $1) and ($2::text is null or run_id = $2) and (created_at, id) > ($3, \
    $4) order by created_at, id limit $5";

const ROLES: &str = "select role, epoch from workflow_roles order by role";

const NEXT_WORKFLOW: &str =
    "select workflow_name from workflow_records where workflow_name > $1 order by workflow_name limit 1";

/// The tables of this store, as far as the server has counted: -1 if it never has.
const SIZES: &str = "select c.relname::text, c.reltuples::float8, pg_table_size(c.oid), pg_indexes_size(c.oid) from pg_class c \
    join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p') and c.relname = any($1) and case when $2::text \
    is null then pg_table_is_visible(c.oid) else n.nspname = $2 end order by 1";

/// A slice is read along the index, which has runs of one instant in any order, so that those alone are sorted. Where the
/// server has no statistics yet, it would else sort all that is behind the slice's beginning, each time.
const BY_INDEX: &str = "set local enable_sort = off; set local enable_bitmapscan = off";

const COUNT_LETTERS: &str = "select count(*) from workflow_dead_letters";

/// Tables as those of the runs and their histories, without what only live runs need.
const ARCHIVE: [&str; 2] = [
    "(workflow_name varchar(255) not null, foreign_id varchar(255) not null, run_id varchar(255) collate \"C\" not null, \
     run_state integer not null, status integer not null, object bytea not null, created_at timestamp(3) not null, updated_at \
     timestamp(3) not null, meta bytea, version bigint not null, last_event_id varchar(64), paused_by varchar(16), start_key \
     varchar(255), primary key (run_id))",
    "(run_id varchar(255) collate \"C\" not null, version bigint not null, workflow_name varchar(255) not null, from_status \
     integer, to_status integer not null, run_state integer not null, reason text not null, actor varchar(64) not null, attempt \
     integer not null, duration_us bigint not null, at timestamp(3) not null, object bytea, primary key (run_id, version))",
];

impl PostgresStore {
    pub(crate) fn names(&self) -> &TableNames {
        self.primary().statements().names()
    }

    pub(crate) async fn present(&self) -> Result<Timestamp, BackendError> {
        let now = self.primary().transaction("ask for the time", |tx| {
            let now = tx.now();
            Box::pin(async move { Ok(now) })
        });
        now.await
    }

    pub(crate) async fn role_epochs(&self) -> Result<Vec<(String, i64)>, BackendError> {
        let roles = self.primary().transaction("list the roles", |tx| {
            let query = sqlx::query_as(tx.sql(ROLES));
            Box::pin(query.fetch_all(tx.raw()))
        });
        roles.await
    }

    pub(crate) async fn next_workflow(&self, after: &str) -> Result<Option<String>, BackendError> {
        let after = after.to_owned();
        let next = self.primary().transaction("list the workflows", move |tx| {
            let query = sqlx::query_scalar(tx.sql(NEXT_WORKFLOW)).bind(after.clone());
            Box::pin(query.fetch_optional(tx.raw()))
        });
        next.await
    }

    pub(crate) async fn outbox_slice(&self, after: &str) -> Result<OutboxSlice, BackendError> {
        let after = after.to_owned();
        let slice = self.primary().transaction("count the outbox", move |tx| {
            let after = after.clone();
            Box::pin(async move { outbox_slice(&mut tx.conn(), after).await })
        });
        slice.await
    }

    pub(crate) async fn count_letters(&self) -> Result<u64, BackendError> {
        let count = self.primary().transaction("count the dead letters", |tx| {
            let query = sqlx::query_scalar::<_, i64>(tx.sql(COUNT_LETTERS));
            Box::pin(query.fetch_one(tx.raw()))
        });
        Ok(count.await?.unsigned_abs())
    }

    pub(crate) async fn unrouted(&self, after: &str, before: Timestamp) -> Result<Unrouted, BackendError> {
        let mut after = after.to_owned();
        loop {
            let from = after.clone();
            let page = self.primary().transaction("read the outbox", move |tx| {
                let from = from.clone();
                Box::pin(async move { unrouted(&mut tx.conn(), from, before).await })
            });
            // A piece without any is passed over.
            match page.await? {
                (page, Some(last)) if page.rows.is_empty() => after = last,
                (page, _) => return Ok(page),
            }
        }
    }

    pub(crate) async fn letters(&self, query: &LetterQuery) -> Result<Vec<DeadLetter>, BackendError> {
        let query = Arc::new(query.clone());
        let letters = self.primary().transaction("read dead letters", move |tx| {
            let query = Arc::clone(&query);
            Box::pin(async move { letters(&mut tx.conn(), &query).await })
        });
        letters.await
    }

    pub(crate) async fn requeue(&self, id: &str) -> Result<Requeued, BackendError> {
        let id = id.to_owned();
        let requeue = self.primary().transaction("requeue a dead letter", move |tx| {
            let (id, now) = (id.clone(), tx.now());
            Box::pin(async move { maintenance::requeue(&mut PostgresSteps(tx.conn()), &id, now).await })
        });
        requeue.await
    }

    pub(crate) async fn discard(&self, id: &str) -> Result<Discarded, BackendError> {
        let id = id.to_owned();
        let discard = self.primary().transaction("discard a dead letter", move |tx| {
            let id = id.clone();
            Box::pin(async move { maintenance::discard(&mut PostgresSteps(tx.conn()), &id).await })
        });
        discard.await
    }

    pub(crate) async fn expire_slice(&self, slice: Slice) -> Result<Sliced, BackendError> {
        let slice = Arc::new(slice);
        let expire = self.primary().transaction("expire runs", move |tx| {
            let slice = Arc::clone(&slice);
            Box::pin(async move {
                sqlx::raw_sql(BY_INDEX).execute(tx.raw()).await?;
                maintenance::expire(&mut PostgresSteps(tx.conn()), &slice).await
            })
        });
        expire.await
    }

    pub(crate) async fn make_archive(&self, table: &ArchiveTable) -> Result<(), BackendError> {
        let table = table.clone();
        let make = self.primary().transaction("make the archive's tables", move |tx| {
            let conn = tx.conn();
            let names = [conn.names().beside(table.records()), conn.names().beside(&table.history())];
            Box::pin(async move {
                for (name, columns) in names.iter().zip(ARCHIVE) {
                    let text = format!("create table if not exists {name} {columns}");
                    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(tx.raw()).await?;
                }
                Ok(())
            })
        });
        make.await
    }

    pub(crate) async fn sizes(&self) -> Result<Vec<TableSize>, BackendError> {
        let sizes = self.primary().transaction("ask for the sizes of the tables", |tx| {
            let conn = tx.conn();
            let tables: Vec<String> = Table::ALL.into_iter().map(|table| conn.names().table(table)).collect();
            let query = sqlx::query(SIZES).bind(tables).bind(conn.names().schema().map(str::to_owned));
            Box::pin(async move {
                let rows = query.fetch_all(tx.raw()).await?;
                rows.iter().map(size).collect()
            })
        });
        sizes.await
    }
}

fn size(row: &sqlx::postgres::PgRow) -> Result<TableSize, sqlx::Error> {
    let rows: f64 = row.try_get(1)?;
    Ok(TableSize {
        table: row.try_get(0)?,
        rows_estimate: (rows >= 0.0).then_some(rows as u64),
        data_bytes: row.try_get::<i64, _>(2)?.unsigned_abs(),
        index_bytes: row.try_get::<i64, _>(3)?.unsigned_abs(),
    })
}

async fn outbox_slice(connection: &mut Conn<'_>, after: String) -> Result<OutboxSlice, sqlx::Error> {
    let rows = sqlx::query(connection.sql(OUTBOX))
        .bind(after)
        .bind(limit(COUNT_ROWS))
        .fetch_all(connection.raw())
        .await?;
    let (mut slice, mut counted) = (OutboxSlice::default(), 0);
    for row in &rows {
        let (part, last): (i64, String) = (row.try_get(1)?, row.try_get(3)?);
        counted += part.unsigned_abs();
        slice.next = slice.next.max(Some(last));
        slice.workflows.push(WorkflowOutbox {
            workflow_name: row.try_get(0)?,
            rows: part.unsigned_abs(),
            oldest: instant(row.try_get(2)?),
        });
    }
    slice.next = slice.next.filter(|_| counted >= COUNT_ROWS as u64);
    Ok(slice)
}

/// The rows of a piece, and where the next piece begins.
async fn unrouted(
    connection: &mut Conn<'_>,
    after: String,
    before: Timestamp,
) -> Result<(Unrouted, Option<String>), sqlx::Error> {
    let query =
        sqlx::query(connection.sql(UNROUTED)).bind(after).bind(column(before)).bind(limit(UNROUTED_ROWS));
    let rows = query.fetch_all(connection.raw()).await?;
    let last = rows.last().filter(|_| rows.len() == UNROUTED_ROWS).map(|row| row.try_get(0)).transpose()?;
    let mut page = Unrouted { rows: Vec::new(), more: last.is_some() };
    for row in &rows {
        if row.try_get::<bool, _>(3)? {
            let data: Option<Vec<u8>> = row.try_get(2)?;
            page.rows.push(Forwarded {
                id: row.try_get(0)?,
                workflow_name: row.try_get(1)?,
                data: data.unwrap_or_default(),
            });
        }
    }
    Ok((page, last))
}

async fn letters(connection: &mut Conn<'_>, query: &LetterQuery) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let (at, id) = match &query.after {
        Some(cursor) => (cursor.created_at, &*cursor.id),
        None => (Timestamp::from_millis(i64::MIN), ""),
    };
    let rows = sqlx::query(connection.sql(LETTERS))
        .bind(query.workflow_name.as_ref().map(|name| name.as_str()))
        .bind(query.run_id.map(|run_id| run_id.to_string()))
        .bind(column(at))
        .bind(id)
        .bind(limit(query.limit.saturating_add(1)))
        .fetch_all(connection.raw())
        .await?;
    rows.iter().map(dead_letter).collect()
}
