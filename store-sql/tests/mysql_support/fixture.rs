//! A store for the suite of stores, over tables that came about in one of several ways.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection};
use store_sql::mysql::MySqlStore;
use store_sql::{MySql, TableNames};
use workflow_conformance::store::{Planted, StoreFixture};
use workflow_core::RunId;

use super::Database;

/// How the tables of a store came about.
pub(crate) trait Origin: Send + Sync + 'static {
    /// What they are called.
    fn names() -> TableNames {
        TableNames::default()
    }

    /// Whether they have the guard.
    const GUARDED: bool = false;

    /// What is done to the database before the store is opened.
    fn prepare(database: &Database) -> impl Future<Output = ()> + Send {
        let _ = database;
        async {}
    }
}

/// A store over a database of its own.
pub(crate) struct OnServer<O> {
    store: Arc<MySqlStore>,
    database: Database,
    origin: PhantomData<O>,
}

async fn open<O: Origin>(database: &Database) -> Arc<MySqlStore> {
    Arc::new(database.open_with(MySql::options().tables(O::names()).guard(O::GUARDED)).await.store().clone())
}

impl<O: Origin> OnServer<O> {
    async fn on(database: Database) -> Self {
        let store = open::<O>(&database).await;
        Self { store, database, origin: PhantomData }
    }
}

impl<O: Origin> StoreFixture for OnServer<O> {
    type Store = MySqlStore;

    async fn fresh() -> Self {
        let database = Database::fresh().await;
        O::prepare(&database).await;
        Self::on(database).await
    }

    fn store(&self) -> Arc<MySqlStore> {
        Arc::clone(&self.store)
    }

    async fn second(&self) -> Arc<MySqlStore> {
        open::<O>(&self.database).await
    }

    async fn reopen(self) -> Self {
        let Self { store, database, .. } = self;
        assert_eq!(Arc::strong_count(&store), 1, "the test has kept a handle");
        drop(store);
        Self::on(database).await
    }

    async fn plant(&self, row: Planted) -> bool {
        let mut connection = self.database.beside().await;
        let text = format!(
            "insert into {} (id, workflow_name, data, created_at) values (?, ?, ?, now(3))",
            O::names().outbox()
        );
        sqlx::query(AssertSqlSafe(text))
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
        if O::GUARDED {
            sqlx::raw_sql("drop trigger workflow_records_guard").execute(&mut connection).await.unwrap();
        }
        let text = format!("update {} set status = -5 where run_id = ?", O::names().records());
        let spoilt =
            sqlx::query(AssertSqlSafe(text)).bind(run_id.to_string()).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        spoilt.rows_affected() == 1
    }
}
