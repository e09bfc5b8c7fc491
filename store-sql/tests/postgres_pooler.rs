//! Poolers before PostgreSQL: one that keeps no sessions is found out and refused, or named and lived with.
#![cfg(feature = "postgres")]
#![allow(missing_docs, clippy::unwrap_used)]

mod held;
mod servers;

use std::time::Duration;

use held::Held;
use servers::pgbouncer::{Mode, PgBouncer};
use servers::{Kind, Server, Spec};
use sqlx::{Connection, PgConnection};
use store_sql::Postgres;
use store_sql::config::PoolOptions;
use store_sql::postgres::attach;
use tokio::task::block_in_place;
use workflow_conformance::samples::{
    commit_one, found, outbox_rows, start, stepped, store_over, update, version,
};
use workflow_core::adapter::{Effect, ErrorKind, Outcome, Reach, Store};

fn server() -> Server {
    block_in_place(|| Spec::new(Kind::Postgres).start())
}

fn pooler(server: &Server, mode: Mode, connections: u32, ignored: &str) -> PgBouncer {
    block_in_place(|| PgBouncer::before(server, mode, connections, ignored))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_keeps_no_sessions_is_refused_by_name() {
    let server = server();
    // With one connection both sessions share it; with several they come by each other's in turn.
    for connections in [1, 5] {
        let pooler = pooler(&server, Mode::Transaction, connections, "extra_float_digits, options");
        let refused = Postgres::connect(&pooler.url()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Permanent, "{refused}: {refused:?}");
        assert!(refused.to_string().contains("add pooler=transaction"), "{refused}");
        assert!(!format!("{refused:?}").contains(server.password()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_refuses_settings_is_refused_by_name() {
    let server = server();
    let pooler = pooler(&server, Mode::Transaction, 5, "");
    let refused = Postgres::connect(&pooler.url()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent, "{refused}: {refused:?}");
    assert!(refused.to_string().contains("add pooler=transaction"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_keeps_sessions_is_as_the_server_itself() {
    let server = server();
    let pooler = pooler(&server, Mode::Session, 20, "extra_float_digits, options");
    let backend = Postgres::connect(&pooler.url()).await.unwrap();
    let held = Held::start(backend, 100).await;
    held.release();
    held.all_done().await;
}

/// Where the tables are, and how the pooler is named: no default stands for either.
async fn through(pooler: &PgBouncer, server: &Server, schema: &str) -> String {
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    let create = format!(
        "create schema {schema}; create table {schema}.accounts (cents integer not null); insert into \
                          {schema}.accounts values (0)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut session).await.unwrap();
    format!("{}&pooler=transaction&options=-c%20search_path={schema}", pooler.url())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_is_named_is_lived_with() {
    let server = server();
    let pooler = pooler(&server, Mode::Transaction, 4, "");
    let url = through(&pooler, &server, "shop").await;
    let pool = PoolOptions::new().max_open(12).min_idle(4).statement_timeout(Duration::from_millis(700));
    let backend = Postgres::options().pool(pool).connect(&url).await.unwrap();
    let store = backend.store().clone();
    let run = start(&store, "order-1").await;
    let looked_up = (0..40).map(|_| found(&store, run.run_id));
    for found in futures_util::future::join_all(looked_up).await {
        assert_eq!(found, Some(run.clone()));
    }
    // What is set holds in each transaction, and for the user's statements.
    let mut change = update(&run, &stepped(&run, 2));
    change.effects.push(Effect::Attached(attach(|connection| {
        Box::pin(async move {
            sqlx::query("update accounts set cents = cents + $1").bind(5).execute(&mut *connection).await?;
            let text = "select current_setting('statement_timeout') || ' ' || current_setting('timezone')";
            let set: String = sqlx::query_scalar(text).fetch_one(connection).await?;
            if set == "700ms UTC" { Ok(()) } else { Err(sqlx::Error::Protocol(set)) }
        })
    })));
    let outcome = commit_one(&store, change).await;
    assert!(matches!(&outcome, Outcome::Stored(Some(run)) if run.version == version(2)), "{outcome:?}");
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    let text = "select cents from shop.accounts";
    let cents: i32 = sqlx::query_scalar(text).fetch_one(&mut session).await.unwrap();
    assert_eq!((cents, outbox_rows(&store, 10).await.len()), (5, 2));
    let in_public = "select to_regclass('public.workflow_records') is null";
    assert!(sqlx::query_scalar::<_, bool>(in_public).fetch_one(&mut session).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_has_its_right_behind_a_pooler_too() {
    let server = server();
    let pooler = pooler(&server, Mode::Transaction, 8, "");
    let url = through(&pooler, &server, "shop").await;
    let direct = format!("{}?options=-c%20search_path=shop", server.url());
    let (first, second) = (Postgres::connect(&url).await.unwrap(), Postgres::connect(&url).await.unwrap());
    let beside = Postgres::connect(&direct).await.unwrap();
    let held = Held::start(&first, 100).await;
    for other in [&second, &beside] {
        let refused = other.store().start_engine(Reach::Process).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyRunning, "{refused}");
    }
    held.release();
    held.all_done().await;
    second.store().start_engine(Reach::Process).await.unwrap();
    assert_eq!(
        beside.store().start_engine(Reach::Process).await.unwrap_err().kind(),
        ErrorKind::AlreadyRunning
    );
    second.store().stop_engine().await;
    beside.store().start_engine(Reach::Process).await.unwrap();
    beside.store().stop_engine().await;
}

/// The transaction that holds the right goes with its connection, and another engine may have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_lost_behind_a_pooler_is_had_again() {
    let server = server();
    let pooler = pooler(&server, Mode::Transaction, 8, "");
    let url = through(&pooler, &server, "shop").await;
    let backend = Postgres::connect(&url).await.unwrap();
    let held = Held::start(&backend, 100).await;
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    let end = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'";
    assert_eq!(sqlx::raw_sql(end).fetch_all(&mut session).await.unwrap().len(), 1);
    held.release();
    held.all_done().await;
    let run = start(backend.store(), "order-1").await;
    store_over(backend.store(), &run, &stepped(&run, 2)).await;
}
