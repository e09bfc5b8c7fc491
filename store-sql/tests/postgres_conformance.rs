//! The store over a PostgreSQL database passes the suite of stores.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;

use std::sync::Arc;

use store_sql::postgres::PostgresStore;
use workflow_conformance::store::{Planted, StoreFixture};
use workflow_core::RunId;

use schemas::Schema;

/// A store in a schema of its own.
struct Tables {
    schema: Schema,
    store: Arc<PostgresStore>,
}

impl StoreFixture for Tables {
    type Store = PostgresStore;

    async fn fresh() -> Self {
        let schema = Schema::fresh().await;
        let store = schema.store().await;
        Self { schema, store }
    }

    fn store(&self) -> Arc<PostgresStore> {
        Arc::clone(&self.store)
    }

    async fn second(&self) -> Arc<PostgresStore> {
        self.schema.store().await
    }

    async fn reopen(self) -> Self {
        let Self { schema, store } = self;
        assert_eq!(Arc::strong_count(&store), 1, "the test has kept a handle");
        store.pool().close().await;
        drop(store);
        let store = schema.store().await;
        Self { schema, store }
    }

    async fn plant(&self, row: Planted) -> bool {
        let text =
            "insert into workflow_outbox (id, workflow_name, data, created_at) values ($1, $2, $3, now())";
        let planted = sqlx::query(text)
            .bind(row.id)
            .bind(row.workflow_name)
            .bind(row.data.map(|data| data.to_vec()))
            .execute(&mut self.schema.session().await)
            .await;
        planted.unwrap().rows_affected() == 1
    }

    async fn spoil(&self, run_id: RunId) -> bool {
        let spoilt = sqlx::query("update workflow_records set status = -5 where run_id = $1")
            .bind(run_id.to_string())
            .execute(&mut self.schema.session().await)
            .await;
        spoilt.unwrap().rows_affected() == 1
    }
}

workflow_conformance::store_suite!(Tables);
