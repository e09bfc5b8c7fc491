//! Two stores with tables of different names share a database and see nothing of each other; a name that is none is refused
//! before anything is connected to.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod schemas;

use mysql_support::Database;
use schemas::Schema;
use sqlx::AssertSqlSafe;
use store_sql::{MySql, NameError, Postgres, Sqlite, TableNames};
use workflow_conformance::samples::{creation, found, key, new_run, orders, start};
use workflow_core::adapter::{ErrorKind, ListQuery, Outcome, Reach, Store};

fn shop() -> TableNames {
    TableNames::prefixed("shop_").unwrap()
}

/// Checks that what one store holds is not there for the other, and takes no room from it.
async fn live_apart(one: &impl Store, other: &impl Store) {
    let run = start(one, "order-1").await;
    assert_eq!(found(other, run.run_id).await, None);
    assert_eq!(other.latest(&orders(), &key("order-1")).await.unwrap(), None);
    assert!(other.list(&ListQuery::default()).await.unwrap().records.is_empty());
    assert!(other.outbox(None, 10).await.unwrap().rows.is_empty());
    let stored = other.commit(vec![creation(&new_run("order-1"))], Vec::new()).await.unwrap();
    assert!(matches!(stored[..], [Outcome::Stored(_)]), "{stored:?}");
    // Each has an engine of its own.
    one.start_engine(Reach::Process).await.unwrap();
    other.start_engine(Reach::Process).await.unwrap();
    one.stop_engine().await;
    other.stop_engine().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_of_one_postgres_schema_live_apart() {
    let schema = Schema::fresh().await;
    let other = schema.backend_with(Postgres::options().tables(shop())).await;
    live_apart(schema.backend().await.store(), other.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_of_one_mariadb_database_live_apart() {
    let database = Database::fresh().await;
    let other = database.open_with(MySql::options().tables(shop())).await;
    live_apart(database.open().await.store(), other.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_of_one_file_live_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let other = Sqlite::options().tables(shop()).open(&file).await.unwrap();
    live_apart(Sqlite::open(&file).await.unwrap().store(), other.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_schema_are_used_by_their_whole_names() {
    let (here, there) = (Schema::fresh().await, Schema::fresh().await);
    let names = TableNames::default().in_schema(there.name()).unwrap();
    let away = here.backend_with(Postgres::options().tables(names)).await;
    live_apart(here.backend().await.store(), away.store()).await;
    let count: i64 = sqlx::query_scalar("select count(*) from workflow_records")
        .fetch_one(&mut there.session().await)
        .await
        .unwrap();
    assert_eq!(count, 1, "the run is not where the names say");
    // The same tables under their own schema: the right to run engines is that of the tables.
    let owner = there.backend().await;
    away.store().start_engine(Reach::Process).await.unwrap();
    assert_eq!(
        owner.store().start_engine(Reach::Process).await.unwrap_err().kind(),
        ErrorKind::AlreadyRunning
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_database_are_used_by_their_whole_names() {
    let (here, there) = (Database::fresh().await, Database::fresh().await);
    let names = TableNames::default().in_schema(there.name()).unwrap();
    let away = here.open_with(MySql::options().tables(names)).await;
    live_apart(here.open().await.store(), away.store()).await;
    let text = AssertSqlSafe(format!("select count(*) from {}.workflow_records", there.name()));
    let count: i64 = sqlx::query_scalar(text).fetch_one(&mut here.beside().await).await.unwrap();
    assert_eq!(count, 1, "the run is not where the names say");
    let owner = there.open().await;
    away.store().start_engine(Reach::Process).await.unwrap();
    assert_eq!(
        owner.store().start_engine(Reach::Process).await.unwrap_err().kind(),
        ErrorKind::AlreadyRunning
    );
}

#[tokio::test]
async fn names_that_a_database_does_not_take_are_refused_before_it_is_asked() {
    let capital = TableNames::new("Runs", "events").unwrap();
    let refused = Postgres::options().tables(capital).connect("postgres://nobody@127.0.0.1:1/none").await;
    let refused = refused.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent);
    assert!(refused.to_string().contains("capital letters"), "{refused}");
    let elsewhere = TableNames::default().in_schema("other").unwrap();
    let refused = Sqlite::options().tables(elsewhere).open("/nowhere/runs.db").await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("has no schemas"), "{refused}");
    let quoted: Result<TableNames, NameError> = TableNames::new("ru'ns", "events");
    assert!(quoted.unwrap_err().to_string().contains("'\\''"), "the character is shown");
}
