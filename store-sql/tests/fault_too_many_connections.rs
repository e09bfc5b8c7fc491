//! A server that has no connection free, and a pool that has none.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod servers;

use std::time::Duration;

use servers::{Kind, Spec};
use sqlx::{Connection, MySqlConnection, PgConnection};
use store_sql::config::PoolOptions;
use store_sql::{MySql, Postgres};
use tokio::task::block_in_place;
use workflow_conformance::samples::start;
use workflow_core::adapter::{BackendError, ErrorKind, Store};

fn few() -> PoolOptions {
    PoolOptions::new().max_open(2).min_idle(0).acquire_timeout(Duration::from_millis(600))
}

fn told<V>(refused: Result<V, BackendError>, advice: &str) {
    let error = refused.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}: {error:?}");
    assert!(error.to_string().contains(advice), "{error}");
}

/// Connects until the server refuses.
macro_rules! connect_until_refused {
    ($connection:ty, $url:expr) => {{
        let mut sessions = Vec::new();
        while let Ok(session) = <$connection>::connect($url).await {
            sessions.push(session);
        }
        sessions
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_without_a_free_connection_is_told_and_used_again() {
    let spec = Spec::new(Kind::Postgres).with(&["-c", "max_connections=12"]);
    let server = block_in_place(|| spec.start());
    let url = server.url();
    let store = Postgres::options().pool(few()).connect(&url).await.unwrap().store().clone();
    let mut sessions = connect_until_refused!(PgConnection, &url);
    // The store's own session is ended, and its place taken.
    let end = "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity where application_name = 'workflow'";
    sqlx::raw_sql(end).execute(&mut sessions[0]).await.unwrap();
    sessions.extend(connect_until_refused!(PgConnection, &url));
    told(store.lookup(&[]).await.and(store.outbox(None, 1).await), "raise max_connections");
    told(Postgres::options().pool(few()).connect(&url).await, "raise max_connections");
    drop(sessions);
    while store.outbox(None, 1).await.is_err() {}
    start(&store, "order-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_without_a_free_connection_is_told_and_used_again() {
    let spec = Spec::new(Kind::MariaDb).with(&["--max-connections=10"]);
    let server = block_in_place(|| spec.start());
    let url = server.url();
    let store = MySql::options().pool(few()).connect(&url).await.unwrap().store().clone();
    let text = "select cast(id as signed) from information_schema.processlist where db = 'workflow'";
    let mut first = MySqlConnection::connect(&url).await.unwrap();
    let own: i64 =
        sqlx::query_scalar("select cast(connection_id() as signed)").fetch_one(&mut first).await.unwrap();
    let ids: Vec<i64> = sqlx::query_scalar(text).fetch_all(&mut first).await.unwrap();
    let mut sessions = connect_until_refused!(MySqlConnection, &url);
    for id in ids.into_iter().filter(|id| *id != own) {
        let kill = sqlx::AssertSqlSafe(format!("kill connection {id}"));
        sqlx::raw_sql(kill).execute(&mut first).await.unwrap();
    }
    // Its place is free when its session has ended.
    let extra = loop {
        if let Ok(session) = MySqlConnection::connect(&url).await {
            break session;
        }
    };
    sessions.push(extra);
    sessions.extend(connect_until_refused!(MySqlConnection, &url));
    told(store.outbox(None, 1).await, "raise its max_connections");
    told(MySql::options().pool(few()).connect(&url).await, "raise its max_connections");
    drop((first, sessions));
    while store.outbox(None, 1).await.is_err() {}
    start(&store, "order-1").await;
}
