//! Reading and deleting outbox rows, with the statements that are the fastest known.

use std::future::Future;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};

use crate::stack::RELAY_SHARDS;

/// How many rows are read at once.
const PAGE: u32 = 2000;

const PAGE_TEXT: &str =
    "select id, data from workflow_outbox where bucket % {n} = {shard} order by id limit {page}";

/// A row: its id, and the event.
pub(crate) type Row = (String, Vec<u8>);

/// One shard of the outbox, over a connection.
pub(crate) trait Outbox: Send + Sized + 'static {
    fn open(url: &str) -> impl Future<Output = anyhow::Result<Self>> + Send;

    /// The oldest rows.
    fn page(&mut self, shard: u32) -> impl Future<Output = anyhow::Result<Vec<Row>>> + Send;

    /// Deletes rows; the ids are in order.
    fn delete(&mut self, ids: &[String]) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// On PostgreSQL.
pub(crate) struct PostgresOutbox(PgConnection);

impl Outbox for PostgresOutbox {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql("set enable_seqscan = off").execute(&mut connection).await?;
        Ok(Self(connection))
    }

    async fn page(&mut self, shard: u32) -> anyhow::Result<Vec<Row>> {
        Ok(sqlx::query_as(AssertSqlSafe(page_text(shard))).fetch_all(&mut self.0).await?)
    }

    async fn delete(&mut self, ids: &[String]) -> anyhow::Result<()> {
        sqlx::query("delete from workflow_outbox where id = any($1)").bind(ids).execute(&mut self.0).await?;
        Ok(())
    }
}

/// On MariaDB.
pub(crate) struct MariaDbOutbox(MySqlConnection);

impl Outbox for MariaDbOutbox {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let mut connection = MySqlConnection::connect(url).await?;
        sqlx::raw_sql("set session transaction isolation level read committed")
            .execute(&mut connection)
            .await?;
        Ok(Self(connection))
    }

    async fn page(&mut self, shard: u32) -> anyhow::Result<Vec<Row>> {
        Ok(sqlx::query_as(AssertSqlSafe(page_text(shard))).fetch_all(&mut self.0).await?)
    }

    async fn delete(&mut self, ids: &[String]) -> anyhow::Result<()> {
        let text = "delete o from json_table(?, '$[*]' columns (id varchar(64) character set ascii collate ascii_bin path \
                    '$')) as d straight_join workflow_outbox o force index (primary) on o.id = d.id";
        sqlx::query(text).bind(serde_json::to_string(ids)?).execute(&mut self.0).await?;
        Ok(())
    }
}

fn page_text(shard: u32) -> String {
    let text = PAGE_TEXT.replace("{n}", &RELAY_SHARDS.to_string());
    text.replace("{shard}", &shard.to_string()).replace("{page}", &PAGE.to_string())
}
