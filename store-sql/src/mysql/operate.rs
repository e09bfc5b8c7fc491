//! What operators ask of the store.

use std::sync::Arc;

use workflow_core::Timestamp;
use workflow_core::adapter::{BackendError, DeadLetter};

use super::read::dead_letter;
use super::rows::{datetime, instant, limit, value};
use super::server::Conn;
use super::steps::MySqlSteps;
use super::store::MySqlStore;
use super::transaction::Ended;
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
    from workflow_outbox force index (primary) where id > ? order by id limit ?) s group by s.workflow_name";

const UNROUTED: &str = "select id, workflow_name, data from workflow_outbox where run_id is null and id > ? and created_at <= ? \
    order by id limit ?";

const LETTERS: &str = "select id, workflow_name, run_id, version, process, reason, data, created_at from \
    workflow_dead_letters where (? is null or workflow_dead_letters.workflow_name = ?) and (? is null or run_id = ?) and \
    created_at >= ? and (created_at > ? or id > ?) order by created_at, id limit ?";

const ROLES: &str = "select role, epoch from workflow_roles order by role";

const NEXT_WORKFLOW: &str = "select workflow_name from workflow_records force index (workflow_records_by_age) where \
    workflow_records.workflow_name > ? order by workflow_records.workflow_name limit 1";

/// The tables of this store; the server's statistics of InnoDB are estimates.
const SIZES: &str = "select table_name, cast(table_rows as unsigned), cast(coalesce(data_length, 0) as unsigned), \
    cast(coalesce(index_length, 0) as unsigned) from information_schema.tables where table_schema = coalesce(?, database()) \
    and table_name in (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) order by table_name";

const COUNT_LETTERS: &str = "select count(*) from workflow_dead_letters";

/// Tables as those of the runs and their histories, without what only live runs need. A binary collation takes every
/// name that the runs have had.
const ARCHIVE: [&str; 2] = [
    "(workflow_name varchar(255) not null, foreign_id varchar(255) not null, run_id varchar(64) character set ascii collate \
     ascii_bin not null, run_state int not null, status int not null, object longblob not null, created_at datetime(3) not \
     null, updated_at datetime(3) not null, meta blob, version bigint, last_event_id varchar(64), paused_by varchar(16), \
     start_key varchar(255), primary key (run_id)) engine=InnoDB default character set utf8mb4 collate utf8mb4_bin \
     row_format=dynamic",
    "(run_id varchar(64) character set ascii collate ascii_bin not null, version bigint not null, workflow_name varchar(255) \
     not null, from_status int, to_status int not null, run_state int not null, reason mediumtext not null, actor varchar(64) \
     not null, attempt bigint not null, duration_us bigint not null, at datetime(3) not null, object longblob, primary key \
     (run_id, version)) engine=InnoDB default character set utf8mb4 collate utf8mb4_bin row_format=dynamic",
];

impl MySqlStore {
    pub(crate) fn names(&self) -> &TableNames {
        self.server().statements.names()
    }

    pub(crate) async fn present(&self) -> Result<Timestamp, BackendError> {
        let clock = self.server().clock.clone();
        let now = self.server().read("ask for the time", move |mut connection| {
            let clock = clock.clone();
            Box::pin(async move { clock.now(connection.raw()).await })
        });
        now.await
    }

    pub(crate) async fn role_epochs(&self) -> Result<Vec<(String, i64)>, BackendError> {
        let roles = self.server().read("list the roles", |mut connection| {
            let query = sqlx::query_as(connection.sql(ROLES));
            Box::pin(async move { query.fetch_all(connection.raw()).await })
        });
        roles.await
    }

    pub(crate) async fn next_workflow(&self, after: &str) -> Result<Option<String>, BackendError> {
        let after = after.to_owned();
        let next = self.server().read("list the workflows", move |mut connection| {
            let query = sqlx::query_scalar(connection.sql(NEXT_WORKFLOW)).bind(after.clone());
            Box::pin(async move { query.fetch_optional(connection.raw()).await })
        });
        next.await
    }

    pub(crate) async fn outbox_slice(&self, after: &str) -> Result<OutboxSlice, BackendError> {
        let after = after.to_owned();
        let slice = self.server().read("count the outbox", move |mut connection| {
            let after = after.clone();
            Box::pin(async move { outbox_slice(&mut connection, after).await })
        });
        slice.await
    }

    pub(crate) async fn count_letters(&self) -> Result<u64, BackendError> {
        let count = self.server().read("count the dead letters", |mut connection| {
            let query = sqlx::query_scalar::<_, i64>(connection.sql(COUNT_LETTERS));
            Box::pin(async move { query.fetch_one(connection.raw()).await })
        });
        Ok(count.await?.unsigned_abs())
    }

    pub(crate) async fn unrouted(&self, after: &str, before: Timestamp) -> Result<Unrouted, BackendError> {
        let after = after.to_owned();
        let page = self.server().read("read the outbox", move |mut connection| {
            let after = after.clone();
            Box::pin(async move { unrouted(&mut connection, after, before).await })
        });
        page.await
    }

    pub(crate) async fn letters(&self, query: &LetterQuery) -> Result<Vec<DeadLetter>, BackendError> {
        let query = Arc::new(query.clone());
        let letters = self.server().read("read dead letters", move |mut connection| {
            let query = Arc::clone(&query);
            Box::pin(async move { letters(&mut connection, &query).await })
        });
        letters.await
    }

    pub(crate) async fn requeue(&self, id: &str) -> Result<Requeued, BackendError> {
        let id = id.to_owned();
        let requeue = self.server().transaction("requeue a dead letter", move |connection, now| {
            let id = id.clone();
            Box::pin(async move {
                Ok(Ended::Commit(maintenance::requeue(&mut MySqlSteps(connection), &id, now).await?))
            })
        });
        requeue.await
    }

    pub(crate) async fn discard(&self, id: &str) -> Result<Discarded, BackendError> {
        let id = id.to_owned();
        let discard = self.server().transaction("discard a dead letter", move |connection, _| {
            let id = id.clone();
            Box::pin(async move {
                Ok(Ended::Commit(maintenance::discard(&mut MySqlSteps(connection), &id).await?))
            })
        });
        discard.await
    }

    pub(crate) async fn expire_slice(&self, slice: Slice) -> Result<Sliced, BackendError> {
        let slice = Arc::new(slice);
        let expire = self.server().transaction("expire runs", move |connection, _| {
            let slice = Arc::clone(&slice);
            Box::pin(async move {
                Ok(Ended::Commit(maintenance::expire(&mut MySqlSteps(connection), &slice).await?))
            })
        });
        expire.await
    }

    pub(crate) async fn make_archive(&self, table: &ArchiveTable) -> Result<(), BackendError> {
        let table = table.clone();
        let make = self.server().read("make the archive's tables", move |mut connection| {
            let names = connection.names();
            let names = [names.beside(table.records()), names.beside(&table.history())];
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
        let sizes = self.server().read("ask for the sizes of the tables", |mut connection| {
            let names = connection.names();
            let query = Table::ALL
                .into_iter()
                .fold(sqlx::query(SIZES).bind(names.schema()), |query, table| query.bind(names.table(table)));
            Box::pin(async move {
                let rows = query.fetch_all(connection.raw()).await?;
                let size = |row| {
                    Ok(TableSize {
                        table: value(row, 0)?,
                        rows_estimate: value(row, 1)?,
                        data_bytes: value(row, 2)?,
                        index_bytes: value(row, 3)?,
                    })
                };
                rows.iter().map(size).collect()
            })
        });
        sizes.await
    }
}

async fn outbox_slice(connection: &mut Conn<'_>, after: String) -> Result<OutboxSlice, sqlx::Error> {
    let rows = sqlx::query(connection.sql(OUTBOX))
        .bind(after)
        .bind(limit(COUNT_ROWS))
        .fetch_all(connection.raw())
        .await?;
    let (mut slice, mut counted) = (OutboxSlice::default(), 0);
    for row in &rows {
        let (part, last): (i64, String) = (value(row, 1)?, value(row, 3)?);
        counted += part.unsigned_abs();
        slice.next = slice.next.max(Some(last));
        slice.workflows.push(WorkflowOutbox {
            workflow_name: value(row, 0)?,
            rows: part.unsigned_abs(),
            oldest: instant(row, 2)?,
        });
    }
    slice.next = slice.next.filter(|_| counted >= COUNT_ROWS as u64);
    Ok(slice)
}

async fn unrouted(
    connection: &mut Conn<'_>,
    after: String,
    before: Timestamp,
) -> Result<Unrouted, sqlx::Error> {
    let query =
        sqlx::query(connection.sql(UNROUTED)).bind(after).bind(datetime(before)).bind(limit(UNROUTED_ROWS));
    let rows = query.fetch_all(connection.raw()).await?;
    let row = |row| {
        let data: Option<Vec<u8>> = value(row, 2)?;
        Ok(Forwarded { id: value(row, 0)?, workflow_name: value(row, 1)?, data: data.unwrap_or_default() })
    };
    Ok(Unrouted {
        more: rows.len() == UNROUTED_ROWS,
        rows: rows.iter().map(row).collect::<Result<_, sqlx::Error>>()?,
    })
}

async fn letters(connection: &mut Conn<'_>, query: &LetterQuery) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let name = query.workflow_name.as_ref().map(|name| name.as_str());
    let run = query.run_id.map(|run_id| run_id.to_string());
    let (at, id) = match &query.after {
        Some(cursor) => (cursor.created_at, &*cursor.id),
        None => (Timestamp::from_millis(i64::MIN), ""),
    };
    let rows = sqlx::query(connection.sql(LETTERS))
        .bind(name)
        .bind(name)
        .bind(&run)
        .bind(&run)
        .bind(datetime(at))
        .bind(datetime(at))
        .bind(id)
        .bind(limit(query.limit.saturating_add(1)))
        .fetch_all(connection.raw())
        .await?;
    rows.iter().map(dead_letter).collect()
}
