//! The outbox by shards, for a relay.

use std::sync::Arc;

use sqlx::Row;
use sqlx::mysql::MySqlRow;
use workflow_core::adapter::{BackendError, Lease, OutboxDepth, RelayStore, ShardPage, Span, UnderWay};
use workflow_core::{RoleName, Shard};

use super::error::is_contention;
use super::named::delete_outbox;
use super::read::outbox_row;
use super::relay_right;
use super::rows::{limit, maybe_instant, value};
use super::server::{Conn, Server};
use super::session::Family;
use super::store::MySqlStore;
use super::transaction::Ended;

/// How many rows are counted at most.
const COUNT_ROWS: usize = 10_000;

/// Rows of other shards are passed over along the key: an index of its own would cost every transition more than that.
const PAGE: &str = "select id, workflow_name, data, created_at from workflow_outbox force index (primary) where id > ? and \
    coalesce(bucket, 0) % ? = ? order by id limit ?";

const DEPTH: &str = "select count(*), min(s.created_at) from (select created_at from workflow_outbox force index (primary) where \
    id > ? and coalesce(bucket, 0) % ? = ? order by id limit ?) s";

/// A range is several times as fast as a list, and MariaDB tells what it deletes, as rows of late commits may lie in it.
/// Such rows are not waited for while their transactions are open.
const DELETE_RANGE: &str = "set statement innodb_lock_wait_timeout = 0 for delete from workflow_outbox where id >= ? and id <= ? \
    and coalesce(bucket, 0) % ? = ? returning id";

const ANNOUNCE: &str = "insert into workflow_roles (role, epoch, doorbell) values (?, 0, ?) on duplicate key update doorbell = values(doorbell)";

const DOORBELLS: &str = "select distinct doorbell from workflow_roles where doorbell is not null";

impl RelayStore for MySqlStore {
    async fn shard_page(
        &self,
        shard: Shard,
        after: Option<&str>,
        count: usize,
        under_way: &UnderWay,
    ) -> Result<ShardPage, BackendError> {
        let (after, under_way) = (after.unwrap_or_default().to_owned(), under_way.clone());
        let read = self.server().read("read a shard of the outbox", move |mut connection| {
            let (after, under_way) = (after.clone(), under_way.clone());
            Box::pin(async move { page(&mut connection, shard, after, (count, &under_way)).await })
        });
        read.await
    }

    async fn forget(&self, shard: Shard, mut ids: Vec<Arc<str>>, span: Span) -> Result<(), BackendError> {
        ids.sort_unstable();
        let ids: Arc<[Arc<str>]> = ids.into();
        let is_range = span == Span::Whole && ids.len() > 1 && self.server().family == Family::MariaDb;
        if is_range && forget_range(self.server(), shard, Arc::clone(&ids)).await? {
            return Ok(());
        }
        let forget = self.server().transaction("delete outbox rows", move |mut connection, _| {
            let ids = Arc::clone(&ids);
            Box::pin(async move {
                let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
                delete_outbox(&mut connection, &ids).await?;
                Ok(Ended::Commit(()))
            })
        });
        forget.await
    }

    async fn depth(&self, shard: Shard) -> Result<OutboxDepth, BackendError> {
        let clock = self.server().clock.clone();
        let depth = self.server().read("count a shard of the outbox", move |mut connection| {
            let clock = clock.clone();
            Box::pin(async move {
                let now = clock.now(connection.raw()).await?;
                let query = sqlx::query(connection.sql(DEPTH)).bind("").bind(shard.of());
                let query = query.bind(shard.number() - 1).bind(limit(COUNT_ROWS));
                let row = query.fetch_one(connection.raw()).await?;
                let rows = row.try_get::<i64, _>(0)?.unsigned_abs();
                let oldest = maybe_instant(&row, 1)?.map(|oldest| now.since(oldest));
                Ok(OutboxDepth { rows, more: rows >= COUNT_ROWS as u64, oldest })
            })
        });
        depth.await
    }

    async fn claim_alone(&self) -> Result<Option<Lease>, BackendError> {
        relay_right::claim(self.server()).await
    }

    async fn announce(&self, role: &RoleName, doorbell: Option<&str>) -> Result<(), BackendError> {
        let (role, doorbell) = (role.as_str().to_owned(), doorbell.map(str::to_owned));
        let announce = self.server().transaction("announce a doorbell", move |mut connection, _| {
            let query = sqlx::query(connection.sql(ANNOUNCE)).bind(role.clone()).bind(doorbell.clone());
            Box::pin(async move {
                query.execute(connection.raw()).await?;
                Ok(Ended::Commit(()))
            })
        });
        announce.await
    }

    async fn doorbells(&self) -> Result<Vec<String>, BackendError> {
        let read = self.server().read("read the doorbells", |mut connection| {
            Box::pin(async move {
                let rows = sqlx::query(connection.sql(DOORBELLS)).fetch_all(connection.raw()).await?;
                rows.iter().map(|row| value(row, 0)).collect()
            })
        });
        read.await
    }
}

async fn page(
    connection: &mut Conn<'_>,
    shard: Shard,
    after: String,
    (count, under_way): (usize, &UnderWay),
) -> Result<ShardPage, sqlx::Error> {
    let query = sqlx::query(connection.sql(PAGE)).bind(after).bind(shard.of());
    let query = query.bind(shard.number() - 1).bind(limit(count));
    let rows = query.fetch_all(connection.raw()).await?;
    let id = |row: &'_ MySqlRow| value::<&str>(row, 0).map(Arc::from);
    let mut page =
        ShardPage { rows: Vec::new(), last: rows.last().map(id).transpose()?, more: rows.len() == count };
    // What is under way is not even taken apart.
    for row in &rows {
        if !under_way.contains(value(row, 0)?) {
            page.rows.push(outbox_row(row)?);
        }
    }
    Ok(page)
}

/// Deletes the rows of a shard between the first and the last of `ids`, if those prove to be all of them.
async fn forget_range(
    server: &Arc<Server>,
    shard: Shard,
    ids: Arc<[Arc<str>]>,
) -> Result<bool, BackendError> {
    let forget = server.transaction("delete a range of outbox rows", move |mut connection, _| {
        let ids = Arc::clone(&ids);
        Box::pin(async move {
            let query = sqlx::query(connection.sql(DELETE_RANGE))
                .bind(ids[0].to_string())
                .bind(ids[ids.len() - 1].to_string())
                .bind(shard.of())
                .bind(shard.number() - 1);
            let rows = match query.fetch_all(connection.raw()).await {
                // Somebody is writing in the range.
                Err(error) if is_contention(&error) => return Ok(Ended::Rollback(false)),
                rows => rows?,
            };
            let mut gone = rows.iter().map(|row| value(row, 0)).collect::<Result<Vec<String>, _>>()?;
            gone.sort_unstable();
            let is_exact =
                gone.len() == ids.len() && gone.iter().zip(ids.iter()).all(|(one, id)| *one == **id);
            Ok(if is_exact { Ended::Commit(true) } else { Ended::Rollback(false) })
        })
    });
    forget.await
}
