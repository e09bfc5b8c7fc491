//! The relay on the databases that are servers: a backlog goes in order, and by how much a second.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::num::NonZeroU32;
use std::time::Instant;

use outbox_relay::{Drained, Relay, RelayMetrics};
use sqlx::AssertSqlSafe;
use store_sql::{Database, Table, TableNames};
use support::{Sink, is_empty};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workflow_conformance::samples::{creation, new_run, stepped, update};
use workflow_core::Record;
use workflow_core::adapter::{RelayStore, Store};
use workflow_core::memory::InProcessScheduler;

/// How many runs have two rows each; WORKFLOW_RELAY_BACKLOG asks for more, to measure.
fn runs() -> usize {
    std::env::var("WORKFLOW_RELAY_BACKLOG").map_or(1500, |text| text.parse().unwrap())
}

fn names() -> TableNames {
    TableNames::prefixed(&format!("r{}_", &Uuid::new_v4().simple().to_string()[..12])).unwrap()
}

fn url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} names a database for tests"))
}

async fn backlog(store: &impl Store) {
    let runs: Vec<Record> = (0..runs()).map(|number| new_run(&format!("order-{number}"))).collect();
    for part in runs.chunks(500) {
        store.commit(part.iter().map(creation).collect(), Vec::new()).await.unwrap();
        store
            .commit(part.iter().map(|run| update(run, &stepped(run, 2))).collect(), Vec::new())
            .await
            .unwrap();
    }
}

async fn goes_in_order<S: RelayStore + Clone>(store: S, name: &'static str) {
    backlog(&store).await;
    let sink = Sink::default();
    let relay = Relay::new(store.clone(), sink.clone(), InProcessScheduler::new(), RelayMetrics::new());
    let relay = relay.shards(NonZeroU32::new(2).unwrap());
    let start = Instant::now();
    assert_eq!(relay.drain(CancellationToken::new()).await, Drained::All);
    let rows = 2 * runs();
    println!("{name}: {rows} rows, {:.0} rows/s", rows as f64 / start.elapsed().as_secs_f64());
    assert!(is_empty(&store).await);
    assert_eq!(sink.len(), rows);
    assert!(sink.versions().values().all(|versions| *versions == [1, 2]));
}

/// The statements that take a test's tables away, in a database that others share.
fn drop_all(names: &TableNames) -> impl Iterator<Item = AssertSqlSafe<String>> {
    let tables: Vec<String> = Table::ALL.iter().map(|table| names.table(*table)).collect();
    tables.into_iter().map(|table| AssertSqlSafe(format!("drop table if exists {table}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_in_postgres_is_published_in_order() {
    let names = names();
    let options = Database::options().tables(names.clone());
    let database = options.connect(&url("WORKFLOW_POSTGRES_URL")).await.unwrap();
    let Database::Postgres(postgres) = &database else { panic!("{database:?}") };
    let store = postgres.store().clone();
    // The tables go however it ends.
    let ended = tokio::spawn(goes_in_order(store.clone(), "postgres")).await;
    for statement in drop_all(&names) {
        sqlx::query(statement).execute(store.pool()).await.unwrap();
    }
    ended.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_in_mariadb_is_published_in_order() {
    let names = names();
    let options = Database::options().tables(names.clone());
    let database = options.connect(&url("WORKFLOW_MARIADB_URL")).await.unwrap();
    let Database::MySql(mysql) = &database else { panic!("{database:?}") };
    let store = mysql.store().clone();
    let ended = tokio::spawn(goes_in_order(store.clone(), "mariadb")).await;
    for statement in drop_all(&names) {
        sqlx::query(statement).execute(store.pool()).await.unwrap();
    }
    ended.unwrap();
}
