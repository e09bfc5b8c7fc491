//! The outbox by shards, for a relay.

use std::sync::Arc;

use sqlx::Row;
use tokio_util::sync::CancellationToken;
use workflow_core::adapter::{
    BackendError, EpochClaim, Lease, OutboxDepth, RelayStore, ShardPage, Span, Store, UnderWay,
};
use workflow_core::{RoleName, Shard, Timestamp};

use super::bulk::Bulk;
use super::lock::relay_lock;
use super::read::shard_page;
use super::store::SqliteStore;

/// How many rows are counted at most.
const COUNT_ROWS: usize = 10_000;

const PAGE: &str = "select id, workflow_name, data, created_at from workflow_outbox where id > ? and coalesce(bucket, 0) % ? = ? \
    order by id limit ?";

const DEPTH: &str = "select count(*), min(created_at) from (select created_at from workflow_outbox where id > ? and \
    coalesce(bucket, 0) % ? = ? order by id limit ?)";

const DELETE: Bulk = Bulk { before: "delete from workflow_outbox where id in", columns: 1, after: "" };

const ANNOUNCE: &str = "insert into workflow_roles (role, epoch, doorbell) values (?, 0, ?) on conflict (role) do update set \
    doorbell = excluded.doorbell";

const DOORBELLS: &str = "select distinct doorbell from workflow_roles where doorbell is not null";

impl RelayStore for SqliteStore {
    async fn shard_page(
        &self,
        shard: Shard,
        after: Option<&str>,
        limit: usize,
        under_way: &UnderWay,
    ) -> Result<ShardPage, BackendError> {
        let after = after.unwrap_or_default().to_owned();
        let under_way = under_way.clone();
        let read = self.read("read a shard of the outbox", move |mut reader| {
            Box::pin(async move {
                let query = sqlx::query(reader.sql(PAGE)).bind(after).bind(shard.of());
                let query = query.bind(shard.number() - 1).bind(i64::try_from(limit).unwrap_or(i64::MAX));
                Ok(shard_page(&query.fetch_all(reader.raw()).await?, limit, &under_way))
            })
        });
        read.await
    }

    async fn forget(&self, _shard: Shard, ids: Vec<Arc<str>>, _span: Span) -> Result<(), BackendError> {
        let forget = self.writer().transaction("delete outbox rows", move |mut connection| {
            Box::pin(async move {
                DELETE.run(&mut connection, &ids, |query, id| query.bind(&**id)).await?;
                Ok(())
            })
        });
        forget.await
    }

    async fn depth(&self, shard: Shard) -> Result<OutboxDepth, BackendError> {
        let now = self.clock().now();
        let depth = self.read("count a shard of the outbox", move |mut reader| {
            Box::pin(async move {
                let query = sqlx::query(reader.sql(DEPTH)).bind("").bind(shard.of());
                let query = query.bind(shard.number() - 1).bind(COUNT_ROWS as i64);
                let row = query.fetch_one(reader.raw()).await?;
                let rows = row.try_get::<i64, _>(0)?.unsigned_abs();
                let oldest = row.try_get::<Option<i64>, _>(1)?.map(Timestamp::from_millis);
                let oldest = oldest.map(|oldest| now.since(oldest));
                Ok(OutboxDepth { rows, more: rows >= COUNT_ROWS as u64, oldest })
            })
        });
        depth.await
    }

    async fn claim_alone(&self) -> Result<Option<Lease>, BackendError> {
        let Some(lock) = relay_lock(self.file(), self.writer().statements().names())? else {
            return Ok(None);
        };
        let (lost, release) = (CancellationToken::new(), CancellationToken::new());
        let released = release.clone();
        tokio::spawn(async move {
            released.cancelled().await;
            drop(lock);
        });
        Ok(Some(Lease::new(EpochClaim::Next, lost, release)))
    }

    async fn announce(&self, role: &RoleName, doorbell: Option<&str>) -> Result<(), BackendError> {
        let (role, doorbell) = (role.as_str().to_owned(), doorbell.map(str::to_owned));
        let announce = self.writer().transaction("announce a doorbell", move |mut connection| {
            let query = sqlx::query(connection.sql(ANNOUNCE)).bind(role).bind(doorbell);
            Box::pin(async move { query.execute(connection.raw()).await.map(drop) })
        });
        announce.await
    }

    async fn doorbells(&self) -> Result<Vec<String>, BackendError> {
        let read = self.read("read the doorbells", |mut reader| {
            Box::pin(async move { sqlx::query_scalar(reader.sql(DOORBELLS)).fetch_all(reader.raw()).await })
        });
        read.await
    }
}
