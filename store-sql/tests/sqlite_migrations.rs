//! How the tables of a file are altered and refused.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use store_sql::{Done, IndexSet, MigrateError, Sqlite, TableNames};
use tokio::task::JoinSet;
use workflow_conformance::samples::start;

async fn run(file: &Path, text: &str) {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn indexes(file: &Path) -> Vec<String> {
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    let text = "select name from sqlite_master where type = 'index' and sql is not null order by 1";
    let indexes = sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    indexes
}

#[tokio::test]
async fn a_file_of_version_1_is_altered_and_its_runs_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    run(&file, include_str!("version_1/sqlite.sql")).await;
    run(&file, "insert into workflow_schema values (1, 1)").await;
    let planned = Sqlite::options().plan_migration(&file).await.unwrap();
    let migration = Sqlite::migrate(&file).await.unwrap();
    assert_eq!(planned, migration);
    assert_eq!((migration.from, migration.to, migration.adopted), (Some(1), 3, false));
    let columns = ["records", "outbox", "adopted"].map(str::to_owned).into();
    let added = Done::ColumnsAdded { table: "workflow_schema".to_owned(), columns };
    let columns = vec!["doorbell".to_owned()];
    let belled = Done::ColumnsAdded { table: "workflow_roles".to_owned(), columns };
    assert_eq!(migration.done, [added, belled, Done::VersionNoted { version: 3 }]);
    start(Sqlite::open(&file).await.unwrap().store(), "order-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_migrate_a_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        let file = file.clone();
        processes.spawn(async move { Sqlite::migrate(&file).await });
    }
    let migrations = processes.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(migrations.iter().filter(|migration| !migration.done.is_empty()).count(), 1, "{migrations:?}");
}

#[tokio::test]
async fn the_guides_indexes_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let names = TableNames::prefixed("shop_").unwrap();
    let options = || Sqlite::options().tables(names.clone());
    start(options().open(&file).await.unwrap().store(), "order-1").await;
    let lean = indexes(&file).await;
    options().indexes(IndexSet::Guide).migrate(&file).await.unwrap();
    let guide: Vec<String> = indexes(&file).await.into_iter().filter(|index| !lean.contains(index)).collect();
    let wanted = [
        "shop_idx_created_at",
        "shop_idx_outbox_workflow_name",
        "shop_idx_run_state",
        "shop_idx_workflow_name_foreign_id_status",
    ];
    assert_eq!(guide, wanted);
    let nothing = options().migrate(&file).await.unwrap();
    assert!(nothing.done.is_empty(), "{nothing}");
    options().indexes(IndexSet::Lean).migrate(&file).await.unwrap();
    assert_eq!(indexes(&file).await, lean);
}

#[tokio::test]
async fn a_file_with_other_tables_of_the_names_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    run(&file, "create table workflow_records (id integer primary key, title text)").await;
    let refused = Sqlite::migrate(&file).await.unwrap_err();
    assert!(
        matches!(&refused, MigrateError::OtherTable { table, .. } if table == "workflow_records"),
        "{refused}"
    );
    let opening = Sqlite::open(&file).await.map(drop).unwrap_err();
    assert_eq!(opening.to_string(), refused.to_string());
    // Under other names there is room for both.
    let names = TableNames::prefixed("shop_").unwrap();
    start(Sqlite::options().tables(names).open(&file).await.unwrap().store(), "order-1").await;
}
