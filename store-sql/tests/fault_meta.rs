//! Rows whose `meta` is NULL or no text: read as far as they can be, told where they cannot, and in nobody's way.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod schemas;

use mysql_support::Database;
use schemas::Schema;
use sqlx::AssertSqlSafe;
use workflow_conformance::samples::{found, key, new_run, orders, start, stepped, store_over, version};
use workflow_core::RunId;
use workflow_core::adapter::{ErrorKind, ListQuery, Store};

/// A row as the original library inserts it.
fn row(run_id: RunId, foreign_id: &str, meta: &str) -> String {
    format!(
        "insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, \
         updated_at, meta) values ('orders', '{foreign_id}', '{run_id}', 2, 1, '{{}}', now(), now(), {meta})"
    )
}

async fn is_read_and_told(store: &impl Store, empty: RunId, spoilt: RunId) {
    let good = start(store, "good").await;
    let found_rows = store.lookup(&[empty, spoilt, good.run_id]).await.unwrap();
    let record = found_rows[0].clone().unwrap().unwrap();
    assert_eq!((record.version, &*record.run_state_reason), (version(1), ""));
    let error = found_rows[1].clone().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("meta") && error.to_string().contains("workflow_records"), "{error}");
    assert!(found_rows[2].as_ref().unwrap().is_some(), "a good row beside a bad one is read");
    assert_eq!(store.latest(&orders(), &key("spoilt")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let next = store_over(store, &record, &stepped(&record, 2)).await;
    assert_eq!(next.version, version(2));
    let query = ListQuery { workflow_name: Some(orders()), limit: 10, ..ListQuery::default() };
    let page = store.list(&query).await.unwrap();
    assert_eq!(page.records.len(), 2, "the bad row is passed over");
    assert_eq!(found(store, good.run_id).await, Some(good));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_postgres_with_bad_meta_are_told() {
    let schema = Schema::fresh().await;
    let store = schema.store().await;
    let (empty, spoilt) = (new_run("empty").run_id, new_run("spoilt").run_id);
    let rows = [row(empty, "empty", "null"), row(spoilt, "spoilt", r"'\xff7b7d'::bytea")].join("; ");
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut schema.session().await).await.unwrap();
    is_read_and_told(&*store, empty, spoilt).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_mariadb_with_bad_meta_are_told() {
    let database = Database::fresh().await;
    let store = database.open().await.store().clone();
    let (empty, spoilt) = (new_run("empty").run_id, new_run("spoilt").run_id);
    database.run(&[row(empty, "empty", "null"), row(spoilt, "spoilt", "x'ff7b7d'")].join("; ")).await;
    is_read_and_told(&store, empty, spoilt).await;
}
