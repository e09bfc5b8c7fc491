//! Readers of a file: what callers do with their futures holds up nobody else.
#![allow(missing_docs, clippy::unwrap_used)]

use futures_util::FutureExt;
use store_sql::Sqlite;
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
