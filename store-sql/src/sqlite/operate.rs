//! What operators ask of the store.

use std::collections::BTreeMap;

use sqlx::Row;
use workflow_core::Timestamp;
use workflow_core::adapter::{BackendError, DeadLetter, Store};

use super::damaged;
use super::open::Conn;
use super::read::dead_letter;
use super::steps::{SqliteSteps, rows_of};
use super::store::SqliteStore;
use crate::Table;
use crate::TableNames;
use crate::maintenance::{
    self, ArchiveTable, Discarded, Forwarded, LetterQuery, OutboxSlice, Requeued, Slice, Sliced, TableSize,
    Unrouted, WorkflowOutbox,
};

/// How many rows of other programs are read at once.
const UNROUTED_ROWS: usize = 1000;

/// Readers hold up nobody, so that one statement counts everything.
const OUTBOX: &str =
    "select workflow_name, count(*), min(created_at) from workflow_outbox group by workflow_name";

const UNROUTED: &str = "select id, workflow_name, data from workflow_outbox where run_id is null and id > ? and created_at <= ? \
    and typeof(id) = 'text' order by id limit ?";

const LETTERS: &str = "select id, workflow_name, run_id, version, process, reason, data, created_at from \
    workflow_dead_letters where (?1 is null or workflow_name = ?1) and (?2 is null or run_id = ?2) and (created_at, id) > (?3, \
    ?4) order by created_at, id limit ?5";

const ROLES: &str = "select role, epoch from workflow_roles order by role";

const NEXT_WORKFLOW: &str = "select workflow_name from workflow_records where workflow_name > ? and typeof(workflow_name) = \
    'text' order by workflow_name limit 1";

/// The trees of the file, each with its table: `dbstat` reads all pages of the file. The trees of tables without row ids
/// have a cell for each row.
const SIZES: &str = "select m.tbl_name, m.type = 'table', s.ncell, s.pgsize from dbstat s join sqlite_master m on m.name = \
    s.name where s.aggregate = true";

/// Tables as those of the runs and their histories, without what only live runs need.
const ARCHIVE: [&str; 2] = [
    "(workflow_name text not null, foreign_id text not null, run_id text not null primary key, run_state integer not null, \
     status integer not null, object blob not null, created_at integer not null, updated_at integer not null, meta blob, version \
     integer not null, last_event_id text, paused_by text, start_key text) without rowid",
    "(run_id text not null, version integer not null, workflow_name text not null, from_status integer, to_status integer not \
     null, run_state integer not null, reason text not null, actor text not null, attempt integer not null, duration_us integer \
     not null, at integer not null, object blob, primary key (run_id, version)) without rowid",
];

impl SqliteStore {
    pub(crate) fn names(&self) -> &TableNames {
        self.writer().statements().names()
    }

    pub(crate) async fn present(&self) -> Result<Timestamp, BackendError> {
        Ok(Store::clock(self).now())
    }

    pub(crate) async fn role_epochs(&self) -> Result<Vec<(String, i64)>, BackendError> {
        self.read("list the roles", |mut reader| {
            let query = sqlx::query_as(reader.sql(ROLES));
            Box::pin(async move { query.fetch_all(reader.raw()).await })
        })
        .await
    }

    pub(crate) async fn next_workflow(&self, after: &str) -> Result<Option<String>, BackendError> {
        let after = after.to_owned();
        let next = self.read("list the workflows", move |mut reader| {
            let query = sqlx::query_scalar(reader.sql(NEXT_WORKFLOW)).bind(after);
            Box::pin(async move { query.fetch_optional(reader.raw()).await })
        });
        next.await
    }

    pub(crate) async fn outbox_slice(&self, _after: &str) -> Result<OutboxSlice, BackendError> {
        let workflows = self.read("count the outbox", |mut reader| {
            Box::pin(async move {
                let rows = sqlx::query(reader.sql(OUTBOX)).fetch_all(reader.raw()).await?;
                let count = |row| WorkflowOutbox {
                    workflow_name: damaged::text(row, 0),
                    rows: damaged::number(row, 1).unsigned_abs(),
                    oldest: Timestamp::from_millis(damaged::number(row, 2)),
                };
                Ok(rows.iter().map(count).collect())
            })
        });
        Ok(OutboxSlice { workflows: workflows.await?, next: None })
    }

    pub(crate) async fn count_letters(&self) -> Result<u64, BackendError> {
        let count = self.read("count the dead letters", |mut reader| {
            let query =
                sqlx::query_scalar::<_, i64>(reader.sql("select count(*) from workflow_dead_letters"));
            Box::pin(async move { query.fetch_one(reader.raw()).await })
        });
        Ok(count.await?.unsigned_abs())
    }

    pub(crate) async fn unrouted(&self, after: &str, before: Timestamp) -> Result<Unrouted, BackendError> {
        let after = after.to_owned();
        let page = self.read("read the outbox", move |mut reader| {
            Box::pin(async move { unrouted(&mut reader, after, before).await })
        });
        page.await
    }

    pub(crate) async fn letters(&self, query: &LetterQuery) -> Result<Vec<DeadLetter>, BackendError> {
        let query = query.clone();
        let letters = self.read("read dead letters", move |mut reader| {
            Box::pin(async move { letters(&mut reader, &query).await })
        });
        letters.await
    }

    pub(crate) async fn requeue(&self, id: &str) -> Result<Requeued, BackendError> {
        let (id, now) = (id.to_owned(), Store::clock(self).now());
        let requeue = self.writer().transaction("requeue a dead letter", move |connection| {
            Box::pin(async move { maintenance::requeue(&mut SqliteSteps(connection), &id, now).await })
        });
        requeue.await
    }

    pub(crate) async fn discard(&self, id: &str) -> Result<Discarded, BackendError> {
        let id = id.to_owned();
        let discard = self.writer().transaction("discard a dead letter", move |connection| {
            Box::pin(async move { maintenance::discard(&mut SqliteSteps(connection), &id).await })
        });
        discard.await
    }

    pub(crate) async fn expire_slice(&self, slice: Slice) -> Result<Sliced, BackendError> {
        if slice.act.only_counts() {
            let count = self.read("count runs", move |reader| {
                Box::pin(async move { maintenance::expire(&mut SqliteSteps(reader), &slice).await })
            });
            return count.await;
        }
        let expire = self.writer().transaction("expire runs", move |connection| {
            Box::pin(async move { maintenance::expire(&mut SqliteSteps(connection), &slice).await })
        });
        expire.await
    }

    pub(crate) async fn make_archive(&self, table: &ArchiveTable) -> Result<(), BackendError> {
        let names = [table.records().to_owned(), table.history()];
        let make = self.writer().transaction("make the archive's tables", move |mut connection| {
            let names = names.map(|name| connection.names().beside(&name));
            Box::pin(async move {
                for (name, columns) in names.iter().zip(ARCHIVE) {
                    let text = format!("create table if not exists {name} {columns}");
                    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(connection.raw()).await?;
                }
                Ok(())
            })
        });
        make.await
    }

    pub(crate) async fn sizes(&self) -> Result<Vec<TableSize>, BackendError> {
        self.read("ask for the sizes of the tables", |mut reader| {
            Box::pin(async move { sizes(&mut reader).await })
        })
        .await
    }
}

async fn unrouted(
    connection: &mut Conn<'_>,
    after: String,
    before: Timestamp,
) -> Result<Unrouted, sqlx::Error> {
    let query = sqlx::query(connection.sql(UNROUTED))
        .bind(after)
        .bind(before.as_millis())
        .bind(rows_of(UNROUTED_ROWS));
    let rows = query.fetch_all(connection.raw()).await?;
    let row = |row| Forwarded {
        id: damaged::text(row, 0),
        workflow_name: damaged::text(row, 1),
        data: damaged::bytes(row, 2),
    };
    Ok(Unrouted { more: rows.len() == UNROUTED_ROWS, rows: rows.iter().map(row).collect() })
}

async fn letters(connection: &mut Conn<'_>, query: &LetterQuery) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let (at, id) = match &query.after {
        Some(cursor) => (cursor.created_at.as_millis(), cursor.id.to_string()),
        None => (i64::MIN, String::new()),
    };
    let rows = sqlx::query(connection.sql(LETTERS))
        .bind(query.workflow_name.as_ref().map(|name| name.as_str().to_owned()))
        .bind(query.run_id.map(|run_id| run_id.to_string()))
        .bind(at)
        .bind(id)
        .bind(rows_of(query.limit.saturating_add(1)))
        .fetch_all(connection.raw())
        .await?;
    Ok(rows.iter().map(dead_letter).collect())
}

async fn sizes(connection: &mut Conn<'_>) -> Result<Vec<TableSize>, sqlx::Error> {
    let own = Table::ALL.map(|table| connection.names().table(table));
    let mut tables: BTreeMap<String, TableSize> = BTreeMap::new();
    for row in sqlx::query(connection.sql(SIZES)).fetch_all(connection.raw()).await? {
        let (table, is_table): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        if !own.iter().any(|own| own.eq_ignore_ascii_case(&table)) {
            continue;
        }
        let cells = row.try_get::<i64, _>(2)?.unsigned_abs();
        let bytes = row.try_get::<i64, _>(3)?.unsigned_abs();
        let size = tables.entry(table.clone()).or_insert(TableSize {
            table,
            rows_estimate: None,
            data_bytes: 0,
            index_bytes: 0,
        });
        if is_table {
            (size.rows_estimate, size.data_bytes) = (Some(cells), bytes);
        } else {
            size.index_bytes += bytes;
        }
    }
    Ok(tables.into_values().collect())
}
