//! Statements that take longer than they may: ended by the server, told as such, and no harm done.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod schemas;

use std::time::Duration;

use mysql_support::Database;
use schemas::Schema;
use sqlx::Connection;
use store_sql::config::PoolOptions;
use store_sql::{MySql, Postgres, mysql, postgres};
use workflow_conformance::samples::{commit_one, found, start, stepped, store_over, update, version};
use workflow_core::adapter::{Attached, Effect, ErrorKind, Outcome, Store};

const TIMEOUT: Duration = Duration::from_millis(300);

fn impatient() -> PoolOptions {
    PoolOptions::new().statement_timeout(TIMEOUT)
}

/// The user's own statement sleeps for longer than any may: it fails as the user's work, and nothing is stored.
async fn own_work_is_ended(store: &impl Store, work: Attached) {
    let run = start(store, "slow").await;
    let mut change = update(&run, &stepped(&run, 2));
    change.effects.push(Effect::Attached(work));
    let outcome = commit_one(store, change).await;
    assert!(matches!(&outcome, Outcome::AttachedFailed(why) if why.contains("time")), "{outcome:?}");
    assert_eq!(found(store, run.run_id).await.unwrap().version, version(1));
    store_over(store, &run, &stepped(&run, 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_ends_a_statement_that_takes_too_long() {
    let schema = Schema::fresh().await;
    let options = Postgres::options().pool(impatient()).lock_timeout(Duration::from_secs(30));
    let store = schema.backend_with(options).await.store().clone();
    let run = start(&store, "order-1").await;
    let mut session = schema.session().await;
    let lock = "begin; lock table workflow_records in access exclusive mode";
    sqlx::raw_sql(lock).execute(&mut session).await.unwrap();
    let refused = store.lookup(&[run.run_id]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient);
    assert!(refused.to_string().contains("the statement took too long"), "{refused}");
    let refused = store.commit(vec![update(&run, &stepped(&run, 2))], Vec::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient, "{refused}");
    sqlx::raw_sql("rollback").execute(&mut session).await.unwrap();
    store_over(&store, &run, &stepped(&run, 2)).await;
    let sleep = postgres::attach(|connection| {
        Box::pin(async move { sqlx::query("select pg_sleep(60)").execute(connection).await.map(drop) })
    });
    own_work_is_ended(&store, sleep).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_ends_a_statement_that_takes_too_long() {
    let database = Database::fresh().await;
    let options = MySql::options().pool(impatient()).lock_timeout(Duration::from_secs(30));
    let store = database.open_with(options).await.store().clone();
    let run = start(&store, "order-1").await;
    let mut session = database.beside().await;
    sqlx::raw_sql("lock tables workflow_records write").execute(&mut session).await.unwrap();
    let refused = store.lookup(&[run.run_id]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient);
    assert!(refused.to_string().contains("the statement took longer than it may"), "{refused}");
    let refused = store.commit(vec![update(&run, &stepped(&run, 2))], Vec::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient, "{refused}");
    sqlx::raw_sql("unlock tables").execute(&mut session).await.unwrap();
    store_over(&store, &run, &stepped(&run, 2)).await;
    let sleep = mysql::attach(|connection| {
        Box::pin(async move { sqlx::query("select sleep(60)").execute(connection).await.map(drop) })
    });
    own_work_is_ended(&store, sleep).await;
    session.close().await.unwrap();
}
