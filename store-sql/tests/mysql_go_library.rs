//! The Go library and this engine on one MariaDB database: each reads, moves and ends what the other stored.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod go_library;
mod mysql_support;

use std::time::Duration;

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use store_sql::MySql;
use store_sql::mysql::MySqlStore;
use workflow_core::adapter::Backend;

use go_library::wire::GoMeta;
use go_library::{GoOutboxRow, GoRecord, Shared};
use mysql_support::Database;

const SELECT: &str = " select  `workflow_name`, `foreign_id`, `run_id`, `run_state`, `status`, `object`, `created_at`, \
                      `updated_at`, `meta`  from workflow_records where ";

const INSERT: &str = "insert into workflow_records set  workflow_name=?, foreign_id=?, run_id=?, run_state=?, status=?, \
                      object=?, created_at=now(), updated_at=now(), meta=? ";

const UPDATE: &str =
    "update workflow_records set  run_state=?, status=?, object=?, updated_at=now(), meta=? where run_id=?";

const INSERT_OUTBOX: &str =
    "insert into workflow_outbox set  id=?, workflow_name=?, data=?, created_at=now() ";

struct Maria(Database);

impl Maria {
    async fn select(&self, condition: &str, values: &[&str]) -> Vec<GoRecord> {
        let mut session = self.0.beside().await;
        let mut query = sqlx::query(AssertSqlSafe(format!("{SELECT}{condition}")));
        for value in values {
            query = query.bind(*value);
        }
        let rows = query.fetch_all(&mut session).await.unwrap();
        session.close().await.unwrap();
        rows.iter().map(record).collect()
    }
}

fn record(row: &MySqlRow) -> GoRecord {
    // Its times are whole seconds, so that its update may seem older than our creation.
    let (created, updated): (chrono::NaiveDateTime, chrono::NaiveDateTime) = (row.get(6), row.get(7));
    assert!(updated - created > -chrono::TimeDelta::seconds(1), "{created} {updated}");
    GoRecord {
        workflow_name: row.get(0),
        foreign_id: row.get(1),
        run_id: row.get(2),
        run_state: row.get(3),
        status: row.get(4),
        object: row.get(5),
        meta: GoMeta::decode(row.get(8)),
    }
}

async fn put(session: &mut MySqlConnection, record: &GoRecord) -> Result<(), sqlx::Error> {
    let there = sqlx::query(AssertSqlSafe(format!("{SELECT}run_id=?"))).bind(&record.run_id);
    let query = match there.fetch_optional(&mut *session).await? {
        Some(_) => sqlx::query(UPDATE)
            .bind(record.run_state)
            .bind(record.status)
            .bind(&record.object)
            .bind(record.meta.encode())
            .bind(&record.run_id),
        None => sqlx::query(INSERT)
            .bind(&record.workflow_name)
            .bind(&record.foreign_id)
            .bind(&record.run_id)
            .bind(record.run_state)
            .bind(record.status)
            .bind(&record.object)
            .bind(record.meta.encode()),
    };
    query.execute(session).await.map(drop)
}

impl Shared for Maria {
    type Store = MySqlStore;

    async fn fresh() -> Self {
        Self(Database::fresh().await)
    }

    async fn store(&self) -> MySqlStore {
        self.0.open().await.store().clone()
    }

    async fn backend(&self) -> Backend {
        self.0.open_with(MySql::options().poll_every(Duration::from_millis(50))).await.into()
    }

    async fn go_store(&self, record: &GoRecord, row: &GoOutboxRow) -> Result<(), sqlx::Error> {
        let mut session = self.0.beside().await;
        let mut transaction = session.begin().await?;
        put(&mut transaction, record).await?;
        sqlx::query(INSERT_OUTBOX)
            .bind(&row.id)
            .bind(&record.workflow_name)
            .bind(&row.data)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        session.close().await
    }

    async fn go_records(&self, column: &'static str, value: &str) -> Vec<GoRecord> {
        self.select(&format!("{column}=?"), &[value]).await
    }

    async fn go_latest(&self, workflow_name: &str, foreign_id: &str) -> Option<GoRecord> {
        let condition = "workflow_name=? and foreign_id=? order by created_at desc limit 1";
        self.select(condition, &[workflow_name, foreign_id]).await.pop()
    }

    async fn go_outbox(&self, workflow_name: &str) -> Vec<GoOutboxRow> {
        let mut session = self.0.beside().await;
        let text = " select  `id`, `workflow_name`, `data`, `created_at`  from workflow_outbox where workflow_name=? limit ?";
        let rows = sqlx::query(text).bind(workflow_name).bind(1000).fetch_all(&mut session).await.unwrap();
        session.close().await.unwrap();
        rows.iter().map(|row| GoOutboxRow { id: row.get(0), data: row.get(2) }).collect()
    }

    async fn go_sent(&self, id: &str) {
        let mut session = self.0.beside().await;
        sqlx::query("delete from workflow_outbox where id=?;").bind(id).execute(&mut session).await.unwrap();
        session.close().await.unwrap();
    }

    async fn number(&self, query: &'static str) -> i64 {
        let mut session = self.0.beside().await;
        let number = sqlx::query_scalar(query).fetch_one(&mut session).await.unwrap();
        session.close().await.unwrap();
        number
    }
}

go_library::suite::go_library_suite!(Maria);
