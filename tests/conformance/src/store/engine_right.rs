//! The right to run engines on a store.

use workflow_core::adapter::{ErrorKind, Reach, Store};

use super::StoreFixture;
use crate::samples::start;

/// One engine at a time has a store; whoever else reads and writes it is not hindered, and the right is free again when
/// it is given back or its handles have ended.
pub async fn one_engine_runs_on_a_store(fixture: impl StoreFixture) {
    let (store, other) = (fixture.store(), fixture.second().await);
    store.start_engine(Reach::Process).await.unwrap();
    for refused in [store.start_engine(Reach::Process).await, other.start_engine(Reach::Process).await] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyRunning);
    }
    let run = start(&*other, "order-1").await;
    assert_eq!(other.lookup(&[run.run_id]).await.unwrap().remove(0).unwrap(), Some(run));
    store.stop_engine().await;
    other.start_engine(Reach::Process).await.unwrap();
    other.stop_engine().await;
    store.start_engine(Reach::Process).await.unwrap();
    drop((store, other));
    let fixture = fixture.reopen().await;
    let store = fixture.store();
    store.stop_engine().await;
    store.start_engine(Reach::Process).await.unwrap();
}

/// Engines of a cluster share a store, within one process and beyond it; an engine that wants it for itself is excluded as long
/// as one of them is left, and excludes them.
pub async fn engines_of_a_cluster_share_a_store(fixture: impl StoreFixture) {
    let (store, other) = (fixture.store(), fixture.second().await);
    for sharing in [&store, &other, &store] {
        sharing.start_engine(Reach::Cluster).await.unwrap();
    }
    for leaving in [&store, &store, &other] {
        for refused in [store.start_engine(Reach::Process).await, other.start_engine(Reach::Process).await] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyRunning);
        }
        leaving.stop_engine().await;
    }
    store.start_engine(Reach::Process).await.unwrap();
    assert_eq!(other.start_engine(Reach::Cluster).await.unwrap_err().kind(), ErrorKind::AlreadyRunning);
    store.stop_engine().await;
    other.start_engine(Reach::Cluster).await.unwrap();
    other.stop_engine().await;
}
