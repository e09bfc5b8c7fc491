//! A replica that lags: what people look at comes from it, what decides never does.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod held;
mod mysql_support;
mod schemas;

use held::Held;
use mysql_support::Database;
use schemas::Schema;
use store_sql::{MySql, Postgres};
use workflow_conformance::samples::{
    commit_one, creation, dead_letter, effects_at, found, key, new_run, orders, role, start, stepped,
    store_over, update, version,
};
use workflow_core::adapter::{Backend, Effect, EpochClaim, HistoryQuery, ListQuery, Outcome, Store};
use workflow_core::{Record, WorkflowName};

fn all() -> ListQuery {
    ListQuery { limit: 100, ..ListQuery::default() }
}

/// The replica is a database that stopped when it had one run and a dead letter of it.
async fn stop_in_time(frozen: &impl Store) -> Record {
    let run = start(frozen, "old").await;
    let letter = Effect::PutDeadLetter(dead_letter(&run, "letter-of-old"));
    assert!(matches!(commit_one(frozen, effects_at(&run, vec![letter])).await, Outcome::Stored(_)));
    (*run).clone()
}

async fn decides_by_the_primary(store: &impl Store, old: &Record) {
    let run = start(store, "order-1").await;
    assert_eq!(found(store, run.run_id).await, Some(run.clone()));
    assert_eq!(found(store, old.run_id).await, None, "look-ups are the primary's");
    assert_eq!(store.latest(&orders(), &key("order-1")).await.unwrap(), Some(run.clone()));
    assert_eq!(store.latest(&orders(), &key("old")).await.unwrap(), None);
    assert_eq!(store.entered(&[(run.run_id, run.status)]).await.unwrap(), [true]);
    let taken = commit_one(store, creation(&new_run("order-1"))).await;
    assert_eq!(taken, Outcome::DuplicateActiveRun { run_id: run.run_id });
    let next = store_over(store, &run, &stepped(&run, 2)).await;
    let stale = commit_one(store, update(&run, &stepped(&run, 2))).await;
    assert_eq!(stale, Outcome::VersionConflict { actual: next.version });
    assert_eq!(store.outbox(None, 10).await.unwrap().rows.len(), 2);
    store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
}

async fn shows_the_replica(store: &impl Store, old: &Record) {
    let listed = store.list(&all()).await.unwrap();
    let runs: Vec<_> = listed.records.iter().map(|record| record.run_id).collect();
    assert_eq!(runs, [old.run_id]);
    let query = |run_id| HistoryQuery { run_id, after: None, limit: 10 };
    assert_eq!(store.history(&query(old.run_id)).await.unwrap().len(), 1);
    let letters = store.dead_letters(10).await.unwrap();
    assert_eq!((letters.len(), &*letters[0].id), (1, "letter-of-old"));
}

/// The engine is not misled by a replica that has none of its runs.
async fn engine_goes_by_the_primary(backend: Backend, store: &impl Store) {
    let held = Held::start(backend, 100).await;
    held.release();
    held.all_done().await;
    let query = ListQuery { workflow_name: Some(WorkflowName::new("parcels").unwrap()), ..all() };
    assert_eq!(store.list(&query).await.unwrap().records.len(), 0, "the replica knows nothing of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lagging_replica_of_postgres_shows_and_does_not_decide() {
    let (primary, replica) = (Schema::fresh().await, Schema::fresh().await);
    let old = stop_in_time(&*replica.store().await).await;
    let backend = primary.backend_with(Postgres::options().replica(replica.url())).await;
    decides_by_the_primary(backend.store(), &old).await;
    shows_the_replica(backend.store(), &old).await;
    engine_goes_by_the_primary(Backend::from(&backend), backend.store()).await;
    shows_the_replica(backend.store(), &old).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lagging_replica_of_mariadb_shows_and_does_not_decide() {
    let (primary, replica) = (Database::fresh().await, Database::fresh().await);
    let old = stop_in_time(replica.open().await.store()).await;
    let backend = primary.open_with(MySql::options().replica(replica.url())).await;
    decides_by_the_primary(backend.store(), &old).await;
    shows_the_replica(backend.store(), &old).await;
    engine_goes_by_the_primary(Backend::from(&backend), backend.store()).await;
    shows_the_replica(backend.store(), &old).await;
}

/// One that is away, or has no tables, costs a look at the primary.
async fn the_primary_stands_in(store: &impl Store) {
    let run = start(store, "order-1").await;
    let listed = store.list(&all()).await.unwrap().records;
    assert!(listed.len() == 1 && listed[0] == run, "{listed:?}");
    let query = HistoryQuery { run_id: run.run_id, after: None, limit: 10 };
    assert_eq!(store.history(&query).await.unwrap()[0].version, version(1));
    assert_eq!(store.dead_letters(10).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_stands_in_for_a_replica_that_does_not_answer() {
    let (primary, empty) = (Schema::fresh().await, Schema::fresh().await);
    let options = Postgres::options().replica("postgres://nobody@127.0.0.1:1/nothing?sslmode=disable");
    the_primary_stands_in(primary.backend_with(options).await.store()).await;
    let primary = Schema::fresh().await;
    the_primary_stands_in(primary.backend_with(Postgres::options().replica(empty.url())).await.store()).await;
    let (primary, empty) = (Database::fresh().await, Database::fresh().await);
    let options = MySql::options().replica("mysql://nobody@127.0.0.1:1/nothing");
    the_primary_stands_in(primary.open_with(options).await.store()).await;
    let primary = Database::fresh().await;
    the_primary_stands_in(primary.open_with(MySql::options().replica(empty.url())).await.store()).await;
}
