//! A store for the suite of stores, over tables that came about in one of several ways.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use sqlx::AssertSqlSafe;
use store_sql::config::PoolOptions;
use store_sql::postgres::PostgresStore;
use store_sql::{Postgres, TableNames};
use workflow_conformance::store::{Planted, StoreFixture};
use workflow_core::RunId;

use super::Schema;

/// How the tables of a store came about.
pub(crate) trait Origin: Send + Sync + 'static {
    /// What they are called.
    fn names() -> TableNames {
        TableNames::default()
    }

    /// Whether they have the guard.
    const GUARDED: bool = false;

    /// What is done to the schema before the store is opened.
    fn prepare(schema: &Schema) -> impl Future<Output = ()> + Send {
        let _ = schema;
        async {}
    }
}

/// A store in a schema of its own.
pub(crate) struct Tables<O> {
    schema: Schema,
    store: Arc<PostgresStore>,
    origin: PhantomData<O>,
}

async fn open<O: Origin>(schema: &Schema) -> Arc<PostgresStore> {
    let options =
        Postgres::options().pool(PoolOptions::new().max_open(4)).tables(O::names()).guard(O::GUARDED);
    Arc::new(schema.backend_with(options).await.store().clone())
}

impl<O: Origin> Tables<O> {
    async fn on(schema: Schema) -> Self {
        let store = open::<O>(&schema).await;
        Self { schema, store, origin: PhantomData }
    }
}

impl<O: Origin> StoreFixture for Tables<O> {
    type Store = PostgresStore;

    async fn fresh() -> Self {
        let schema = Schema::fresh().await;
        O::prepare(&schema).await;
        Self::on(schema).await
    }

    fn store(&self) -> Arc<PostgresStore> {
        Arc::clone(&self.store)
    }

    async fn second(&self) -> Arc<PostgresStore> {
        open::<O>(&self.schema).await
    }

    async fn reopen(self) -> Self {
        let Self { schema, store, .. } = self;
        assert_eq!(Arc::strong_count(&store), 1, "the test has kept a handle");
        store.pool().close().await;
        drop(store);
        Self::on(schema).await
    }

    async fn plant(&self, row: Planted) -> bool {
        let text = format!(
            "insert into {} (id, workflow_name, data, created_at) values ($1, $2, $3, now())",
            O::names().outbox()
        );
        let planted = sqlx::query(AssertSqlSafe(text))
            .bind(row.id)
            .bind(row.workflow_name)
            .bind(row.data.map(|data| data.to_vec()))
            .execute(&mut self.schema.session().await)
            .await;
        planted.unwrap().rows_affected() == 1
    }

    async fn spoil(&self, run_id: RunId) -> bool {
        if O::GUARDED {
            self.schema.run("drop trigger workflow_records_guard on workflow_records").await;
        }
        let text = format!("update {} set status = -5 where run_id = $1", O::names().records());
        let spoilt = sqlx::query(AssertSqlSafe(text))
            .bind(run_id.to_string())
            .execute(&mut self.schema.session().await)
            .await;
        spoilt.unwrap().rows_affected() == 1
    }
}
