//! How a MariaDB is connected to, what its sessions are, and who has the right to run engines on it.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mysql_support::{Database, inconsistencies};
use sqlx::{Connection, Row};
use store_sql::MySql;
use store_sql::config::PoolOptions;
use store_sql::mysql::attach;
use tokio::task::JoinSet;
use workflow_conformance::samples::{
    commit_one, creation, fence, found, new_run, orders, role, start, stepped, update, version,
};
use workflow_core::adapter::{BackendError, Effect, EpochClaim, ErrorKind, ListQuery, Outcome, Reach, Store};

fn kind(connected: Result<MySql, BackendError>) -> (ErrorKind, String) {
    let error = connected.expect_err("it cannot be connected to");
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn what_is_wrong_with_a_database_is_said_by_name() {
    let database = Database::fresh().await;
    let url = database.url();
    let missing = kind(MySql::connect(&url.replace(database.name(), "wf_no_such_database")).await);
    assert_eq!(missing.0, ErrorKind::Permanent);
    let (scheme, rest) = url.split_once("://").unwrap();
    let place = rest.split_once('@').map_or(rest, |(_, place)| place);
    let refused = kind(MySql::connect(&format!("{scheme}://wf_nobody:wrong@{place}")).await);
    assert!(refused.0 == ErrorKind::Permanent && refused.1.contains("login is refused"), "{refused:?}");
    let empty = kind(MySql::options().without_migrating().connect(&url).await);
    assert!(empty.0 == ErrorKind::Permanent && empty.1.contains("no tables"), "{empty:?}");
    let large = kind(MySql::options().object_bytes_max(usize::MAX / 4).connect(&url).await);
    assert!(large.0 == ErrorKind::Permanent && large.1.contains("max_allowed_packet"), "{large:?}");
}

#[tokio::test]
async fn tables_of_a_newer_program_are_used_if_they_tolerate_this_one() {
    let database = Database::fresh().await;
    let backend = database.open().await;
    database.run("update workflow_schema set version = 99").await;
    drop(database.open().await);
    database.run("update workflow_schema set oldest_program = 98").await;
    let refused = kind(MySql::connect(&database.url()).await);
    assert!(refused.0 == ErrorKind::Permanent && refused.1.contains("newer program"), "{refused:?}");
    database.run("drop table workflow_history").await;
    let error = commit(&backend).await.expect_err("a table is missing");
    assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("migrations"), "{error}");
}

async fn commit(backend: &MySql) -> Result<Vec<Outcome>, BackendError> {
    backend.store().commit(vec![creation(&new_run("order-1"))], Vec::new()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_start_together_make_the_tables_once() {
    let database = Database::fresh().await;
    let mut programs = JoinSet::new();
    for _ in 0..8 {
        let url = database.url();
        programs.spawn(async move { MySql::connect(&url).await.map(drop) });
    }
    for connected in programs.join_all().await {
        connected.unwrap();
    }
    let mut connection = database.beside().await;
    let row = sqlx::query("select count(*), max(version) from workflow_schema")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i32, _>(1)), (1, 3));
    connection.close().await.unwrap();
}

#[tokio::test]
async fn every_session_has_its_isolation_its_limits_and_its_time_zone() {
    let database = Database::fresh().await;
    let pool = PoolOptions::new().statement_timeout(Duration::from_millis(7500));
    let backend = database.open_with(MySql::options().pool(pool)).await;
    let seen = Arc::new(Mutex::new(String::new()));
    let work = {
        let seen = Arc::clone(&seen);
        attach(move |connection| {
            let seen = Arc::clone(&seen);
            Box::pin(async move {
                let text = "select concat_ws(' ', @@tx_isolation, @@innodb_lock_wait_timeout, @@max_statement_time, \
                            @@idle_transaction_timeout, @@time_zone, @@in_transaction)";
                *seen.lock().unwrap() = sqlx::query_scalar(text).fetch_one(connection).await?;
                Ok::<(), sqlx::Error>(())
            })
        })
    };
    let record = start(backend.store(), "one").await;
    let mut change = update(&record, &stepped(&record, 2));
    change.effects.push(Effect::Attached(work));
    assert!(matches!(commit_one(backend.store(), change).await, Outcome::Stored(_)));
    assert_eq!(*seen.lock().unwrap(), "READ-COMMITTED 2 7.500000 5 +00:00 1");
}

#[tokio::test]
async fn attached_work_that_ends_the_transaction_is_found_out() {
    let database = Database::fresh().await;
    let backend = database.open().await;
    let record = start(backend.store(), "one").await;
    let rolled_back = attach(|connection| {
        Box::pin(async move { sqlx::raw_sql("rollback").execute(connection).await.map(drop) })
    });
    let failing = attach(|_| Box::pin(async { Err::<(), _>("no funds") }));
    let change = |work| {
        let mut change = update(&record, &stepped(&record, 2));
        change.effects.push(Effect::Attached(work));
        change
    };
    let outcome = commit_one(backend.store(), change(rolled_back)).await;
    assert!(
        matches!(&outcome, Outcome::AttachedFailed(why) if why.contains("ended the transaction")),
        "{outcome:?}"
    );
    assert_eq!(
        commit_one(backend.store(), change(failing)).await,
        Outcome::AttachedFailed("no funds".into())
    );
    assert_eq!(found(backend.store(), record.run_id).await.unwrap().version, version(1));
    assert_eq!(inconsistencies(&database).await, 0);
}

/// The session that holds the engines' lock of a database.
async fn lock_holder(database: &Database) -> Option<u64> {
    let mut connection = database.beside().await;
    let text = "select cast(is_used_lock(concat('wf-engine-', left(sha1(concat(database(), '.workflow_records')), 40))) as \
                unsigned)";
    let holder = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    holder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_loses_the_right_and_the_next_may_take_it() {
    let database = Database::fresh().await;
    let (first, second) = (database.open().await, database.open().await);
    first.store().start_engine(Reach::Process).await.unwrap();
    let role = role(1);
    let epoch = first.store().register(&role, EpochClaim::Next).await.unwrap().unwrap();
    assert_eq!(
        second.store().start_engine(Reach::Process).await.unwrap_err().kind(),
        ErrorKind::AlreadyRunning
    );
    let holder = lock_holder(&database).await.unwrap();
    database.run(&format!("kill connection {holder}")).await;
    second.store().start_engine(Reach::Process).await.unwrap();
    // Once the first one knows, it stores nothing more under its roles; triggers go on.
    let refusal = loop {
        let mut change = creation(&new_run("order-1"));
        change.fence = Some(fence(&role, epoch));
        match first.store().commit(vec![change], Vec::new()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(refusal.kind(), ErrorKind::AlreadyRunning);
    start(first.store(), "order-2").await;
    second.store().stop_engine().await;
    assert_eq!(lock_holder(&database).await, None, "it is free at once");
}

#[tokio::test]
async fn rows_of_another_program_are_read_and_moved_on() {
    let database = Database::fresh().await;
    let backend = database.open().await;
    let run_id = "4d9010bf-13b7-4b99-83c9-175e4b7250e3";
    database
        .run(&format!(
            "insert into workflow_records set workflow_name='orders', foreign_id='Case', run_id='{run_id}', run_state=2, \
             status=2, object='{{}}', created_at=now(3), updated_at=now(3), meta='{{\"RunStateReason\":\"\",\
             \"StatusDescription\":\"Two\",\"Version\":3,\"TraceOrigin\":\"x\"}}'"
        ))
        .await;
    let store = backend.store();
    let record = found(store, run_id.parse().unwrap()).await.unwrap();
    assert_eq!((record.version, &*record.status_description), (version(3), "Two"));
    let taken = commit_one(store, creation(&new_run("Case"))).await;
    assert_eq!(taken, Outcome::DuplicateActiveRun { run_id: record.run_id });
    start(store, "case ").await;
    let stored = commit_one(store, update(&record, &stepped(&record, 3))).await;
    assert!(matches!(&stored, Outcome::Stored(Some(record)) if record.version == version(4)), "{stored:?}");
    let stale = commit_one(store, update(&record, &stepped(&record, 3))).await;
    assert_eq!(stale, Outcome::VersionConflict { actual: version(4) });
}

#[tokio::test]
async fn many_large_objects_and_long_reasons_fit_into_one_commit() {
    let database = Database::fresh().await;
    let backend = database.open().await;
    let store = backend.store();
    let bytes_max = store.limits().object_bytes_max;
    let object = format!("\"{}\"", "x".repeat(bytes_max - 2));
    let mut changes: Vec<_> = (0..20)
        .map(|number| {
            let mut record = new_run(&format!("order-{number}"));
            record.object = object.clone().into();
            creation(&record)
        })
        .collect();
    let mut talkative = new_run("talkative");
    talkative.run_state_reason = "\u{1}".repeat(100_000).into();
    changes.push(creation(&talkative));
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    assert!(outcomes.iter().all(|each| matches!(each, Outcome::Stored(_))));
    let cut = found(store, talkative.run_id).await.unwrap();
    assert_eq!(cut.run_state_reason.chars().count(), 3000, "a reason is cut to what its column takes");
    let query = ListQuery { workflow_name: Some(orders()), limit: 100, ..ListQuery::default() };
    let listed = store.list(&query).await.unwrap();
    let whole = listed.records.iter().filter(|record| record.object.len() == bytes_max).count();
    assert_eq!((listed.records.len(), whole), (21, 20));
}
