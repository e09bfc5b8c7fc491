//! Work of the user's that does what it should not: its run is set aside with the reason, and nothing else waits for it.
#![cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod schemas;

use std::sync::Arc;
use std::time::Duration;

use mysql_support::Database;
use schemas::Schema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection, SqliteConnection};
use store_sql::any::{Connection, attach};
use store_sql::config::PoolOptions;
use store_sql::{MySql, Postgres, Sqlite};
use workflow_core::adapter::Backend;
use workflow_core::{Options, RetryPolicy, Run, RunState, Running, Status, StatusCode, Step, Workflow};

/// The tables of the user's.
const TABLES: &str = "create table notes (number integer primary key); create table held (number integer); insert into held \
                      values (1)";

/// Holds what work of the user's waits for.
const HOLD: &str = "begin; update held set number = 3";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Asked = 1,
    Done = 2,
}

impl Status for Stage {
    const ALL: &'static [Self] = &[Stage::Asked, Stage::Done];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        if self == Stage::Asked { "Asked" } else { "Done" }
    }
}

#[derive(Serialize, Deserialize)]
struct Note;

/// Attaches work that does what the run is called.
async fn write_down(run: &mut Run<Note, Stage>, url: &Arc<str>) -> Step<Stage> {
    let (manner, url) = (run.foreign_id().as_str().to_owned(), Arc::clone(url));
    if manner.starts_with("plain") {
        return Ok(Stage::Done);
    }
    run.attach(attach(move |mut connection| {
        let (manner, url) = (manner.clone(), Arc::clone(&url));
        Box::pin(async move {
            connection.execute("insert into notes values (?)", [1.into()]).await?;
            match manner.as_str() {
                "panics" => panic!("as the test wants it"),
                "ends it" => execute(&mut connection, "rollback").await?,
                // A key that is taken: in PostgreSQL the transaction is lost with it.
                "goes on" => drop(connection.execute("insert into notes values (?)", [1.into()]).await),
                "idles" => until_the_session_has_ended(&mut connection, &url).await?,
                "waits" => drop(connection.execute("update held set number = ?", [2.into()]).await?),
                other => unreachable!("{other}"),
            }
            connection
                .execute("insert into notes values (?)", [2.into()])
                .await
                .map(drop)
                .or_else(|error| if manner == "goes on" { Ok(()) } else { Err(error) })
        })
    }));
    Ok(Stage::Done)
}

async fn execute(connection: &mut Connection<'_>, text: &'static str) -> Result<(), sqlx::Error> {
    match connection {
        Connection::MySql(connection) => sqlx::raw_sql(text).execute(&mut **connection).await.map(drop),
        Connection::Postgres(connection) => sqlx::raw_sql(text).execute(&mut **connection).await.map(drop),
        Connection::Sqlite(connection) => sqlx::raw_sql(text).execute(&mut **connection).await.map(drop),
        _ => unreachable!("there is no other kind"),
    }
}

/// Does nothing until the server has had enough of that.
async fn until_the_session_has_ended(connection: &mut Connection<'_>, url: &str) -> Result<(), sqlx::Error> {
    match connection {
        Connection::MySql(connection) => {
            let own: u64 = sqlx::query_scalar("select connection_id()").fetch_one(&mut **connection).await?;
            let mut beside = MySqlConnection::connect(url).await?;
            let there = "select count(*) from information_schema.processlist where id = ?";
            while sqlx::query_scalar::<_, i64>(there).bind(own).fetch_one(&mut beside).await? > 0 {}
        }
        Connection::Postgres(connection) => {
            let own: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut **connection).await?;
            let mut beside = PgConnection::connect(url).await?;
            let there = "select count(*) from pg_stat_activity where pid = $1";
            while sqlx::query_scalar::<_, i64>(there).bind(own).fetch_one(&mut beside).await? > 0 {}
        }
        _ => {}
    }
    Ok(())
}

async fn notes(backend: Backend, url: &str) -> Running<Note, Stage> {
    let quick = RetryPolicy { base: Duration::from_millis(1), cap: Duration::from_millis(1) };
    let workflow = Workflow::builder("notes")
        .step(Stage::Asked, write_down, [Stage::Done])
        .with(Options::new().retry(quick).pause_after(1).shards(1))
        .state(Arc::<str>::from(url))
        .build()
        .unwrap();
    workflow.run(backend).await.unwrap()
}

/// Goal: work of this manner is an error of its run, which is stored as it was and paused with a reason.
async fn is_set_aside(backend: Backend, url: &str, manner: &str, reason: &str) {
    let running = notes(backend.clone(), url).await;
    let run = running.trigger(manner, Note).await.unwrap();
    let rest = running.wait_for(&run).at_rest().await.unwrap();
    assert_eq!(rest.run_state(), RunState::Paused, "{manner}");
    assert!(rest.reason().contains(reason), "{manner}: {}", rest.reason());
    // As the store has it, whatever was told.
    let stored = running.get(&run).await.unwrap();
    assert_eq!((stored.status(), stored.run_state()), (Stage::Asked, RunState::Paused), "{manner}");
    running.shutdown(Duration::from_secs(60)).await;
}

async fn mysql() -> (Database, MySql) {
    let database = Database::fresh().await;
    database.run(TABLES).await;
    let second = Duration::from_secs(1);
    let options = MySql::options().idle_transaction_timeout(second).lock_timeout(second);
    let mysql = database.open_with(options).await;
    (database, mysql)
}

async fn postgres() -> (Schema, Postgres) {
    let schema = Schema::fresh().await;
    sqlx::raw_sql(TABLES).execute(&mut schema.session().await).await.unwrap();
    let limits = Postgres::options()
        .idle_transaction_timeout(Duration::from_secs(1))
        .lock_timeout(Duration::from_millis(100));
    let postgres = limits.connect(&schema.url()).await.unwrap();
    (schema, postgres)
}

async fn sqlite() -> (tempfile::TempDir, Sqlite, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.db");
    let sqlite = Sqlite::open(&file).await.unwrap();
    let url = format!("sqlite:{}", file.display());
    let mut session = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(TABLES)).execute(&mut session).await.unwrap();
    (folder, sqlite, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_panics_is_an_error_of_its_run() {
    let ((database, mysql), (schema, postgres)) = (mysql().await, postgres().await);
    let (_folder, sqlite, url) = sqlite().await;
    is_set_aside(mysql.into(), &database.url(), "panics", "the work panicked").await;
    is_set_aside(postgres.into(), &schema.url(), "panics", "the attached work panicked").await;
    is_set_aside(sqlite.into(), &url, "panics", "the attached work panicked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_ends_or_breaks_the_transaction_stores_nothing() {
    let ((database, mysql), (schema, postgres)) = (mysql().await, postgres().await);
    is_set_aside(mysql.into(), &database.url(), "ends it", "ended the transaction").await;
    is_set_aside((&postgres).into(), &schema.url(), "ends it", "ended the transaction").await;
    is_set_aside(postgres.into(), &schema.url(), "goes on", "went on after a statement had failed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_lets_the_transaction_lie_idle_fails_and_is_not_tried_for_ever() {
    let ((database, mysql), (schema, postgres)) = (mysql().await, postgres().await);
    is_set_aside(mysql.into(), &database.url(), "idles", "may lie idle for 1000 ms").await;
    is_set_aside(postgres.into(), &schema.url(), "idles", "may lie idle for 1000 ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_never_gets_its_lock_fails_and_is_not_tried_for_ever() {
    let ((database, mysql), (schema, postgres)) = (mysql().await, postgres().await);
    let mut holder = database.beside().await;
    sqlx::raw_sql(HOLD).execute(&mut holder).await.unwrap();
    is_set_aside(mysql.into(), &database.url(), "waits", "others were in the way").await;
    holder.close().await.unwrap();
    let mut holder = schema.session().await;
    sqlx::raw_sql(HOLD).execute(&mut holder).await.unwrap();
    is_set_aside(postgres.into(), &schema.url(), "waits", "others were in the way").await;
    holder.close().await.unwrap();
}

/// Goal: runs of the same step end while the work of one waits for a lock, which then ends as well.
async fn others_go_on(backend: Backend, url: &str, holder: impl sqlx::Connection) {
    let running = notes(backend, url).await;
    let waits = running.trigger("waits", Note).await.unwrap();
    for number in 0..20 {
        let plain = running.trigger(format!("plain {number}"), Note).await.unwrap();
        running.wait_for(&plain).finished().await.unwrap();
    }
    assert_eq!(running.get(&waits).await.unwrap().run_state(), RunState::Initiated, "it still waits");
    holder.close().await.unwrap();
    assert_eq!(running.wait_for(&waits).finished().await.unwrap().status(), Stage::Done);
    running.shutdown(Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_waits_for_a_lock_holds_up_nobody() {
    let (minute, pool) =
        (Duration::from_secs(60), PoolOptions::new().statement_timeout(Duration::from_secs(60)));
    let (schema, _) = postgres().await;
    let postgres = schema.backend_with(Postgres::options().lock_timeout(minute).pool(pool)).await;
    let mut holder = schema.session().await;
    sqlx::raw_sql(HOLD).execute(&mut holder).await.unwrap();
    others_go_on(postgres.into(), &schema.url(), holder).await;
    let (database, _) = mysql().await;
    let mysql = database.open_with(MySql::options().lock_timeout(minute).pool(pool)).await;
    let mut holder = database.beside().await;
    sqlx::raw_sql(HOLD).execute(&mut holder).await.unwrap();
    others_go_on(mysql.into(), &database.url(), holder).await;
}
