//! Readers of a file: what callers do with their futures holds up nobody else.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use futures_util::FutureExt;
use store_sql::Sqlite;
use store_sql::config::PoolOptions;
use workflow_core::adapter::{ListQuery, Store};
use workflow_core::{ForeignId, WorkflowName};

/// More than there are readers.
const CALLERS: usize = 64;

#[tokio::test]
async fn callers_that_are_not_polled_keep_no_reader_from_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let database = Sqlite::open(folder.path().join("runs.db")).await.unwrap();
    let (store, workflow) = (database.store(), WorkflowName::new("orders").unwrap());
    let (foreign_id, query) = (ForeignId::new("order-17").unwrap(), ListQuery::default());
    let mut asked: Vec<_> = (0..CALLERS).map(|_| Box::pin(store.latest(&workflow, &foreign_id))).collect();
    let mut listed: Vec<_> = (0..CALLERS).map(|_| Box::pin(store.list(&query))).collect();
    // Each is begun, and then left alone, as the futures in a set are while the task that owns the set does other things.
    for call in &mut asked {
        assert!(call.now_or_never().is_none());
    }
    for call in &mut listed {
        assert!(call.now_or_never().is_none());
    }
    assert!(store.outbox(None, 10).await.unwrap().rows.is_empty());
    for call in asked {
        assert!(call.await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_file_takes_the_options_of_a_pool_that_it_can_honour() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let open = |pool| Sqlite::options().pool(pool).open(&file);
    let one = PoolOptions::new().max_open(1).min_idle(1).acquire_timeout(Duration::from_secs(20));
    let database = open(one).await.unwrap();
    let (store, query) = (database.store(), ListQuery::default());
    let listed = futures_util::future::join_all((0..CALLERS).map(|_| store.list(&query))).await;
    assert!(listed.iter().all(Result::is_ok), "they take turns");
    for (pool, part) in [
        (PoolOptions::new().max_open(0), "max_open"),
        (PoolOptions::new().statement_timeout(Duration::from_secs(1)), "statement_timeout"),
    ] {
        let refused = open(pool).await.unwrap_err().to_string();
        assert!(refused.contains(part), "{refused}");
    }
}
