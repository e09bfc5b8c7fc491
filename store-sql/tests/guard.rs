//! The guard: which writes of a record it lets in, who may make it, and how it is told of.
#![cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod doctor_support;
mod mysql_support;
mod schemas;
mod servers;

use doctor_support::{finds, report};
use mysql_support::Database as OnMySql;
use schemas::Schema;
use servers::{Kind, Spec};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, SqliteConnection};
use store_sql::config::Dsn;
use store_sql::doctor::FindingId;
use store_sql::{Database, Dialect, Done, MigrateError, Migration, TableNames, guard_sql};
use tokio::task::block_in_place;
use uuid::Uuid;
use workflow_conformance::samples::start;

/// Runs a statement with another connection than the store's.
async fn run(url: &str, text: &str) -> Result<u64, sqlx::Error> {
    let text = AssertSqlSafe(text.to_owned());
    Ok(match url.parse().unwrap() {
        Dsn::MySql(dsn) => {
            let mut connection = MySqlConnection::connect_with(&dsn.connect_options()).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await?.rows_affected()
        }
        Dsn::Postgres(dsn) => {
            let mut connection = PgConnection::connect_with(&dsn.connect_options()).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await?.rows_affected()
        }
        Dsn::Sqlite(dsn) => {
            let mut connection =
                SqliteConnection::connect(&format!("sqlite:{}", dsn.file.display())).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await?.rows_affected()
        }
    })
}

/// Tries updates of the one record there is, one after the other; each is let in or refused by the guard.
async fn tries(url: &str, cases: &[(&str, bool)]) {
    for (set, lets_in) in cases {
        match run(url, &format!("update workflow_records set {set}")).await {
            Ok(rows) => assert!(*lets_in && rows == 1, "{set} was let in"),
            Err(error) => {
                assert!(!lets_in, "{set}: {error}");
                assert!(error.to_string().contains("workflow guard: a record was written"), "{error}");
            }
        }
    }
}

/// Writes of who keeps the version in its column, from version 1 to 2.
const BY_COLUMN: [(&str, bool); 5] = [
    ("status = 3", false),
    ("status = 3, version = 1", false),
    ("status = 3, version = 3", false),
    ("status = 3, version = null", false),
    ("status = 3, version = 2", true),
];

/// Writes of who keeps it in `meta` alone, from version 2 to 5: the higher one of the two counts. In these texts two
/// backslashes are one.
const BY_META: [(&str, bool); 7] = [
    (r#"status = 4, meta = '{"Version":2}'"#, false),
    (r#"status = 4, meta = '{"RunStateReason":"","Version":3,"TraceOrigin":""}'"#, true),
    (r#"status = 5, meta = '{"Version":3}'"#, false),
    (r#"status = 5, version = 3, meta = '{"Version":3}'"#, false),
    (r#"status = 5, meta = '{"RunStateReason":"is {\\"Version\\":9}","Version": 4}'"#, true),
    ("status = 6, meta = null", false),
    ("status = 6, version = 5, meta = 'no json'", true),
];

async fn guarded(url: &str, guard: bool) -> Result<Migration, MigrateError> {
    Database::options().guard(guard).migrate(url).await
}

/// The guard comes and goes by a migration, and each time but once there is nothing to do.
async fn comes_and_goes(url: &str) {
    let planned = Database::options().guard(true).plan_migration(&url.parse().unwrap()).await.unwrap();
    let made = guarded(url, true).await.unwrap();
    assert_eq!(made.done, [Done::GuardMade { table: "workflow_records".to_owned() }]);
    assert_eq!(planned, made);
    assert_eq!(guarded(url, true).await.unwrap().done, []);
    // Who does not speak of it leaves it alone.
    assert_eq!(Database::migrate(url).await.unwrap().done, []);
    finds(&report(url).await, &[FindingId::GuardOn]);
    tries(url, &BY_COLUMN).await;
    if !url.starts_with("sqlite") {
        tries(url, &BY_META).await;
    }
    assert_eq!(
        guarded(url, false).await.unwrap().done,
        [Done::GuardDropped { table: "workflow_records".to_owned() }]
    );
    assert_eq!(guarded(url, false).await.unwrap().done, []);
    tries(url, &[("status = 1", true)]).await;
    by_hand(url).await;
}

/// The text for people makes the same guard.
async fn by_hand(url: &str) {
    let dialect = match url.parse().unwrap() {
        Dsn::MySql(_) => Dialect::MariaDb,
        Dsn::Postgres(_) => Dialect::Postgres,
        _ => Dialect::Sqlite,
    };
    let text = guard_sql(dialect, &TableNames::default());
    // What is meant for the command line client.
    let text = text.replace("delimiter //\n", "").replace("//\ndelimiter ;\n", "");
    run(url, &text).await.unwrap();
    assert_eq!(guarded(url, true).await.unwrap().done, []);
    tries(url, &[("status = 9", false)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb_it_lets_the_next_version_in() {
    let database = OnMySql::fresh().await;
    start(database.open().await.store(), "order-1").await;
    comes_and_goes(&database.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_it_lets_the_next_version_in() {
    let schema = Schema::fresh().await;
    start(&*schema.store().await, "order-1").await;
    comes_and_goes(&schema.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_it_lets_the_next_version_in() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("runs.db").display());
    let database = store_sql::Sqlite::open(folder.path().join("runs.db")).await.unwrap();
    start(database.store(), "order-1").await;
    drop(database);
    comes_and_goes(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_tables_with_other_names_get_it_with_them() {
    let (database, schema) = (OnMySql::fresh().await, Schema::fresh().await);
    for (url, place) in [(database.url(), database.name()), (schema.url(), schema.name())] {
        let names = TableNames::new("runs", "events").unwrap().with_prefix("shop_").unwrap();
        let options = || Database::options().tables(names.clone().in_schema(place).unwrap());
        let migration = options().guard(true).migrate(&url).await.unwrap();
        assert_eq!(migration.done.last(), Some(&Done::GuardMade { table: "runs".to_owned() }), "{migration}");
        let refused = run(
            &url,
            "insert into runs (workflow_name, foreign_id, run_id, run_state, status, object, created_at, \
                                 updated_at) values ('w', 'f', 'r', 1, 1, '', '2026-01-01', '2026-01-01'); update runs set status = 2",
        );
        assert!(refused.await.unwrap_err().to_string().contains("workflow guard"));
        let dropped = options().guard(false).migrate(&url).await.unwrap();
        assert_eq!(dropped.done, [Done::GuardDropped { table: "runs".to_owned() }]);
    }
}

/// The URL of a new user, who has the right to do this.
async fn user(url: &str, database: &str, rights: &str) -> String {
    let name = format!("u{}", &Uuid::new_v4().simple().to_string()[..16]);
    let grant =
        format!("create user {name} identified by 'secret'; grant {rights} on {database}.* to {name}");
    run(url, &grant).await.unwrap();
    let (_, place) = url.rsplit_once('@').unwrap();
    format!("mysql://{name}:secret@{place}")
}

const RIGHTS: &str = "select, insert, update, delete, create, alter, index, drop";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_make_triggers_is_told_so() {
    let database = OnMySql::fresh().await;
    drop(database.open().await);
    let url = user(&database.url(), database.name(), RIGHTS).await;
    let refused = guarded(&url, true).await.unwrap_err();
    assert!(matches!(refused, MigrateError::GuardNotAllowed { .. }), "{refused}");
    assert!(refused.to_string().contains("grant it the right to make triggers"), "{refused}");
}

/// Where a binary log is written, the right to make triggers is not enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binary_log_asks_for_more_and_the_error_says_what() {
    let server =
        block_in_place(|| Spec::new(Kind::MariaDb).with(&["--log-bin=log", "--binlog-format=row"]).start());
    drop(Database::connect(&server.url()).await.unwrap());
    let url = user(&server.url(), servers::NAME, &format!("{RIGHTS}, trigger")).await;
    let refused = guarded(&url, true).await.unwrap_err();
    assert!(matches!(refused, MigrateError::GuardNotAllowed { .. }), "{refused}");
    assert!(refused.to_string().contains("log_bin_trust_function_creators = 1"), "{refused}");
    run(&server.url(), "set global log_bin_trust_function_creators = 1").await.unwrap();
    assert_eq!(guarded(&url, true).await.unwrap().done.len(), 1);
}

/// Tables that the Go library's users made by hand, with rows that have no version in the column.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_taken_over_get_it_too() {
    let (database, schema) = (OnMySql::fresh().await, Schema::fresh().await);
    database.run(include_str!("guide/mariadb.sql")).await;
    schema.run(include_str!("guide/postgres.sql")).await;
    for url in [database.url(), schema.url()] {
        run(&url, "delete from workflow_records").await.unwrap();
        let row = r#"insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at,
            updated_at, meta) values ('orders', 'order-1', '0d9c3f52-3d3c-4d4b-9f39-0a5c7a3f8d11', 1, 1, '{}', now(), now(),
            '{"Version":1}')"#;
        run(&url, row).await.unwrap();
        let migration = guarded(&url, true).await.unwrap();
        assert!(migration.adopted, "{migration}");
        let blind = [
            (r#"status = 2, meta = '{"Version":1}'"#, false),
            (r#"status = 2, meta = '{"Version":2}'"#, true),
            (r#"status = 2, meta = '{"Version":2}'"#, false),
        ];
        tries(&url, &blind).await;
        let ours = r#"status = 3, version = 3, meta = '{"RunStateReason":"","Version":3,"TraceOrigin":""}'"#;
        tries(&url, &[(ours, true), (r#"status = 2, meta = '{"Version":3}'"#, false)]).await;
    }
}
