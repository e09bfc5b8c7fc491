//! Each command on the servers: MariaDB and PostgreSQL.

use std::path::Path;

use store_sql::TableNames;
use store_sql::config::Dsn;

use crate::mysql_support::Database;
use crate::place::{Answer, ctl, seeded};
use crate::schemas::Schema;

/// Does each command once on an empty database, with tables of another prefix than the usual one.
async fn every_command(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (bare, password) = without_password(url);
    std::fs::write(folder.path().join("secret"), &password).unwrap();
    let run = |args: &[&str], code: i32| {
        let settings =
            ["--database", &bare, "--password-file", "secret", "--table-prefix", "shop_", "--json"];
        let args = [args, &settings].concat();
        let answer = Answer::of(&ctl(folder.path(), &args).output().unwrap()).ended(code);
        assert!(!answer.all().contains(&password), "the password was printed");
        answer
    };
    assert!(run(&["sizes"], 2).error.contains("no tables"));
    run(&["migrate", "--dry-run"], 1);
    run(&["migrate"], 0);
    run(&["migrate", "--dry-run"], 0);
    let run_id = seeded(url, TableNames::prefixed("shop_").unwrap()).await.run_id.to_string();
    assert_eq!(run(&["sizes"], 0).json()["tables"].as_array().unwrap().len(), 10);
    assert_eq!(run(&["outbox", "status"], 0).json()["rows"], 1);
    let letters = run(&["outbox", "dead-letters", "list"], 0).json();
    assert_eq!(letters["dead_letters"][0]["id"], "orders-1-consumer/x");
    assert_eq!(run(&["outbox", "dead-letters", "requeue", "orders-1-consumer/x"], 0).json()["done"], 1);
    run(&["outbox", "dead-letters", "discard", "orders-1-consumer/x"], 1);
    assert_eq!(run(&["outbox", "status"], 0).json()["rows"], 2);
    let first = run(&["runs", "list", "--limit", "1", "--state", "finished", "--state", "live"], 0).json();
    assert_eq!(first["runs"][0]["foreign_id"], "ended");
    let second = run(&["runs", "list", "--after", first["next"].as_str().unwrap()], 0).json();
    assert_eq!(second["runs"][0]["foreign_id"], "goes on");
    assert_eq!(run(&["runs", "show", &run_id], 0).json()["state"], "Completed");
    assert_eq!(run(&["runs", "history", &run_id], 0).json()["entries"].as_array().unwrap().len(), 2);
    // The server's clock counts in whole milliseconds: the run may be of this one.
    assert_eq!(run(&["prune-history", "--older-than", "0s", "--dry-run"], 0).json()["rows"], 2);
    let archived = run(&["archive", "--older-than", "0s", "--into", "kept_orders"], 0).json();
    assert_eq!((&archived["rows"], &archived["kept"]), (&1.into(), &0.into()));
    run(&["runs", "show", &run_id], 1);
    operate(&run);
    assert_eq!(run(&["roles"], 0).json()["source"], "database");
}

/// Starts a run and moves it, by its key.
fn operate(run: &impl Fn(&[&str], i32) -> Answer) {
    let key = ["--workflow", "orders", "--foreign-id", "by hand"];
    let act = |command: &str, more: &[&str], code: i32| {
        run(&[&["runs", command], &key[..], more].concat(), code).json()["state"].clone()
    };
    act("trigger", &["--status", "1", "--object", "{}"], 0);
    let again = [&["runs", "trigger"], &key[..], &["--status", "1"]].concat();
    assert!(run(&again, 1).error.contains("has an unfinished run"));
    act("retry", &[], 0);
    assert_eq!(act("pause", &[], 0), "Paused");
    assert_eq!(act("resume", &[], 0), "Running");
    assert_eq!(act("cancel", &[], 0), "Cancelled");
    assert_eq!(act("delete-data", &[], 0), "RequestedDataDeleted");
}

/// An address without its password, and the password.
fn without_password(url: &str) -> (String, String) {
    let dsn: Dsn = url.parse().unwrap();
    let password = match &dsn {
        Dsn::MySql(dsn) => dsn.password.clone(),
        Dsn::Postgres(dsn) => dsn.password.clone(),
        Dsn::Sqlite(_) => None,
    };
    let password = password.unwrap().expose().to_owned();
    (url.replace(&format!(":{password}@"), "@"), password)
}

#[tokio::test]
async fn every_command_works_on_a_mariadb() {
    let database = Database::fresh().await;
    every_command(&database.url()).await;
}

#[tokio::test]
async fn every_command_works_on_a_postgresql() {
    let schema = Schema::fresh().await;
    every_command(&schema.url()).await;
}

/// The SQL that is printed makes tables that a program takes.
async fn by_hand(url: &str, dialect: &str, apply: impl AsyncFnOnce(String)) {
    let here = Path::new(".");
    let sql = Answer::of(&ctl(here, &["schema", "--dialect", dialect]).output().unwrap()).ended(0).out;
    apply(sql).await;
    let args = ["migrate", "--dry-run", "--database", url];
    Answer::of(&ctl(here, &args).output().unwrap()).ended(0);
    seeded(url, TableNames::default()).await;
}

#[tokio::test]
async fn printed_tables_are_taken_by_a_mariadb() {
    let database = Database::fresh().await;
    by_hand(&database.url(), "mariadb", async |sql| database.run(&sql).await).await;
}

#[tokio::test]
async fn printed_tables_are_taken_by_a_postgresql() {
    let schema = Schema::fresh().await;
    let apply = async |sql| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut schema.session().await).await.unwrap();
    };
    by_hand(&schema.url(), "postgres", apply).await;
}
