//! The outbox by shards, for a relay.

use std::sync::Arc;

use chrono::NaiveDateTime;
use sqlx::Row;
use sqlx::postgres::PgRow;
use workflow_core::adapter::{BackendError, Lease, OutboxDepth, RelayStore, ShardPage, Span, UnderWay};
use workflow_core::{RoleName, Shard};

use super::connect::Conn;
use super::outbox::stored;
use super::read::limit;
use super::reading::read;
use super::relay_right;
use super::stamp::instant;
use super::store::PostgresStore;
use super::transaction::Tx;

/// How many rows are counted at most.
const COUNT_ROWS: usize = 10_000;

/// Rows of other shards are passed over along the key: an index of its own would cost every transition more than that.
const PAGE: &str = "select id, workflow_name, data, created_at from workflow_outbox where id > $1 and coalesce(bucket, 0) % $3 = \
    $4 order by id limit $2";

const DEPTH: &str = "select count(*), min(s.created_at), (now() at time zone 'utc')::timestamp(3) from (select created_at from \
    workflow_outbox where id > $1 and coalesce(bucket, 0) % $3 = $4 order by id limit $2) s";

/// A range is twice as fast as a list. What it deletes is told, as rows of late commits may lie in it.
const DELETE_RANGE: &str =
    "delete from workflow_outbox where id >= $1 and id <= $2 and coalesce(bucket, 0) % $3 = $4 returning id";

const DELETE_EACH: &str = "delete from workflow_outbox where id = any($1)";

const ANNOUNCE: &str = "insert into workflow_roles as r (role, epoch, doorbell) values ($1, 0, $2) on conflict (role) do update \
    set doorbell = excluded.doorbell";

const DOORBELLS: &str = "select distinct doorbell from workflow_roles where doorbell > $1";

impl RelayStore for PostgresStore {
    async fn shard_page(
        &self,
        shard: Shard,
        after: Option<&str>,
        count: usize,
        under_way: &UnderWay,
    ) -> Result<ShardPage, BackendError> {
        read!(*self.primary(), "read a shard of the outbox", |connection| page(
            connection,
            shard,
            after,
            (count, under_way)
        ))
    }

    async fn forget(&self, shard: Shard, mut ids: Vec<Arc<str>>, span: Span) -> Result<(), BackendError> {
        if ids.is_empty() {
            return Ok(());
        }
        ids.sort_unstable();
        let ids: Arc<[String]> = ids.iter().map(|id| id.to_string()).collect();
        let forget = self.primary().transaction("delete outbox rows", move |tx| {
            let ids = Arc::clone(&ids);
            Box::pin(async move { forget(tx, shard, &ids, span).await })
        });
        forget.await
    }

    async fn depth(&self, shard: Shard) -> Result<OutboxDepth, BackendError> {
        let clock = self.primary().clock().clone();
        read!(*self.primary(), "count a shard of the outbox", |connection| depth(
            connection,
            shard,
            clock.parameter()
        ))
    }

    async fn claim_alone(&self) -> Result<Option<Lease>, BackendError> {
        relay_right::claim(self.primary().place(), self.primary().statements()).await
    }

    async fn announce(&self, role: &RoleName, doorbell: Option<&str>) -> Result<(), BackendError> {
        let (role, doorbell) = (role.as_str().to_owned(), doorbell.map(str::to_owned));
        let announce = self.primary().transaction("announce a doorbell", move |tx| {
            let query = sqlx::query(tx.sql(ANNOUNCE)).bind(role.clone()).bind(doorbell.clone());
            Box::pin(async move { query.execute(tx.raw()).await.map(drop) })
        });
        announce.await
    }

    async fn doorbells(&self) -> Result<Vec<String>, BackendError> {
        read!(*self.primary(), "read the doorbells", |connection| doorbells(connection))
    }
}

async fn doorbells(connection: &mut Conn<'_>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(connection.sql(DOORBELLS)).bind("").fetch_all(connection.raw()).await
}

/// The numbers by which the rows of a shard are told: the count of shards, and the remainder.
fn numbers(shard: Shard) -> (i32, i32) {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    (number(shard.of()), number(shard.number() - 1))
}

async fn page(
    connection: &mut Conn<'_>,
    shard: Shard,
    after: Option<&str>,
    (count, under_way): (usize, &UnderWay),
) -> Result<ShardPage, sqlx::Error> {
    let (of, remainder) = numbers(shard);
    let query = sqlx::query(connection.sql(PAGE))
        .bind(after.unwrap_or_default())
        .bind(limit(count))
        .bind(of)
        .bind(remainder);
    let rows = query.fetch_all(connection.raw()).await?;
    let id = |row: &'_ PgRow| row.try_get::<&str, _>(0).map(Arc::from);
    let mut page =
        ShardPage { rows: Vec::new(), last: rows.last().map(id).transpose()?, more: rows.len() == count };
    // What is under way is not even taken apart.
    for row in &rows {
        if !under_way.contains(row.try_get(0)?) {
            page.rows.push(stored(row)?);
        }
    }
    Ok(page)
}

async fn depth(
    connection: &mut Conn<'_>,
    shard: Shard,
    now: Option<NaiveDateTime>,
) -> Result<OutboxDepth, sqlx::Error> {
    let (of, remainder) = numbers(shard);
    let query = sqlx::query(connection.sql(DEPTH)).bind("").bind(limit(COUNT_ROWS)).bind(of).bind(remainder);
    let row = query.fetch_one(connection.raw()).await?;
    let (rows, oldest): (i64, Option<NaiveDateTime>) = (row.try_get(0)?, row.try_get(1)?);
    let now = instant(now.map_or_else(|| row.try_get(2), Ok)?);
    let rows = rows.unsigned_abs();
    Ok(OutboxDepth {
        rows,
        more: rows >= COUNT_ROWS as u64,
        oldest: oldest.map(|oldest| now.since(instant(oldest))),
    })
}

/// Deletes rows, whose ids are sorted.
async fn forget(tx: &mut Tx, shard: Shard, ids: &[String], span: Span) -> Result<(), sqlx::Error> {
    if let (Span::Whole, [first, .., last]) = (span, ids) {
        sqlx::raw_sql("savepoint range").execute(tx.raw()).await?;
        let (of, remainder) = numbers(shard);
        let query = sqlx::query_scalar(tx.sql(DELETE_RANGE)).bind(first).bind(last).bind(of).bind(remainder);
        let mut gone: Vec<String> = query.fetch_all(tx.raw()).await?;
        gone.sort_unstable();
        if gone == ids {
            return Ok(());
        }
        sqlx::raw_sql("rollback to savepoint range").execute(tx.raw()).await?;
    }
    sqlx::query(tx.sql(DELETE_EACH)).bind(ids).execute(tx.raw()).await.map(drop)
}
