//! The store over a MariaDB database passes the suite of stores.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;

use std::sync::Arc;

use mysql_support::Database;
use sqlx::Connection;
use store_sql::mysql::MySqlStore;
use workflow_conformance::store::{Planted, StoreFixture};
use workflow_core::RunId;

/// A store over a database of its own.
struct OnServer {
    store: Arc<MySqlStore>,
    database: Database,
}

impl OnServer {
    async fn on(database: Database) -> Self {
        let store = Arc::new(database.open().await.store().clone());
        Self { store, database }
    }
}

impl StoreFixture for OnServer {
    type Store = MySqlStore;

    async fn fresh() -> Self {
        Self::on(Database::fresh().await).await
    }

    fn store(&self) -> Arc<MySqlStore> {
        Arc::clone(&self.store)
    }

    async fn second(&self) -> Arc<MySqlStore> {
        Arc::new(self.database.open().await.store().clone())
    }

    async fn reopen(self) -> Self {
        let Self { store, database } = self;
        assert_eq!(Arc::strong_count(&store), 1, "the test has kept a handle");
        drop(store);
        Self::on(database).await
    }

    async fn plant(&self, row: Planted) -> bool {
        let mut connection = self.database.beside().await;
        sqlx::query(
            "insert into workflow_outbox (id, workflow_name, data, created_at) values (?, ?, ?, now(3))",
        )
        .bind(row.id)
        .bind(row.workflow_name)
        .bind(row.data.map(|data| data.to_vec()))
        .execute(&mut connection)
        .await
        .unwrap();
        connection.close().await.unwrap();
        true
    }

    async fn spoil(&self, run_id: RunId) -> bool {
        let mut connection = self.database.beside().await;
        let spoilt = sqlx::query("update workflow_records set status = -5 where run_id = ?")
            .bind(run_id.to_string())
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        spoilt.rows_affected() == 1
    }
}

workflow_conformance::store_suite!(OnServer);
