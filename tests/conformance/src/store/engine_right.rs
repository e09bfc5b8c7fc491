//! The right to run engines on a store.

use workflow_core::adapter::{ErrorKind, Store};

use super::StoreFixture;
use crate::samples::start;

/// One engine at a time has a store; whoever else reads and writes it is not hindered, and the right is free again when
/// it is given back or its handles have ended.
pub async fn one_engine_runs_on_a_store(fixture: impl StoreFixture) {
    let (store, other) = (fixture.store(), fixture.second().await);
    store.start_engine().await.unwrap();
    for refused in [store.start_engine().await, other.start_engine().await] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyRunning);
    }
    let run = start(&*other, "order-1").await;
    assert_eq!(other.lookup(&[run.run_id]).await.unwrap().remove(0).unwrap(), Some(run));
    store.stop_engine().await;
    other.start_engine().await.unwrap();
    other.stop_engine().await;
    store.start_engine().await.unwrap();
    drop((store, other));
    let fixture = fixture.reopen().await;
    let store = fixture.store();
    store.stop_engine().await;
    store.start_engine().await.unwrap();
}
