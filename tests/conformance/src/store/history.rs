//! The history of runs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use workflow_core::adapter::{HistoryQuery, Store};
use workflow_core::{Actor, HistoryEntry, RunId, RunState};

use super::StoreFixture;
use crate::samples::{commit_stored, moved, paused, start, status, stepped, store_over, update, version};

/// A history is given by version, in parts.
pub async fn history_is_paged_by_version(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut run = start(&*store, "order-1").await;
    let other = start(&*store, "order-2").await;
    store_over(&*store, &other, &stepped(&other, 2)).await;
    for _ in 0..9 {
        run = store_over(&*store, &run, &stepped(&run, 2)).await;
    }
    let part = async |after: Option<u64>, limit| -> Vec<u64> {
        let query = HistoryQuery { run_id: run.run_id, after: after.map(version), limit };
        store.history(&query).await.unwrap().iter().map(|entry| entry.version.get()).collect()
    };
    assert_eq!(part(None, 100).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(part(None, 4).await, [1, 2, 3, 4]);
    assert_eq!(part(Some(4), 4).await, [5, 6, 7, 8]);
    assert_eq!(part(Some(8), 4).await, [9, 10]);
    assert!(part(Some(10), 4).await.is_empty());
    let unknown = HistoryQuery { run_id: RunId::generate(), after: None, limit: 10 };
    assert!(store.history(&unknown).await.unwrap().is_empty());
}

/// An entry is read as it was written, but for its time.
pub async fn history_keeps_every_field(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let held = paused(&run);
    let mut change = update(&run, &held);
    let written = HistoryEntry {
        actor: Actor::Other("an auditor".into()),
        attempt: 7,
        duration: Duration::from_micros(98_765_432),
        object: Some(Bytes::from_static(b"\x00\xff not JSON")),
        ..change.history.take().unwrap()
    };
    change.history = Some(written.clone());
    let held = commit_stored(&*store, change).await.unwrap();
    let mut change = update(&held, &moved(&held, workflow_core::Move::Resume));
    let bare = change.history.as_mut().unwrap();
    (bare.object, bare.from_status, bare.actor) = (None, None, Actor::Operator);
    commit_stored(&*store, change).await;
    let query = HistoryQuery { run_id: run.run_id, after: Some(version(1)), limit: 10 };
    let entries = store.history(&query).await.unwrap();
    assert_eq!(entries[0], HistoryEntry { at: held.updated_at, ..written });
    assert_eq!(&*entries[0].reason, "wait");
    assert_eq!(entries[0].run_state, RunState::Paused);
    assert_eq!((&entries[1].object, entries[1].from_status), (&None, None));
    assert_eq!(entries[1].actor, Actor::Operator);
    assert_eq!(entries[1].reason, Arc::from(""));
}

/// Whether runs have entered statuses is told by their histories, in the order asked.
pub async fn entered_asks_the_history(fixture: impl StoreFixture) {
    let store = fixture.store();
    let one = start(&*store, "one").await;
    let one = store_over(&*store, &one, &stepped(&one, 2)).await;
    store_over(&*store, &one, &stepped(&one, 3)).await;
    let two = start(&*store, "two").await;
    let mut quiet = update(&two, &stepped(&two, 2));
    quiet.history = None;
    commit_stored(&*store, quiet).await;
    let unknown = RunId::generate();
    let asked = [
        (two.run_id, status(2)),
        (one.run_id, status(2)),
        (one.run_id, status(3)),
        (one.run_id, status(4)),
        (unknown, status(1)),
        (two.run_id, status(1)),
        (one.run_id, status(2)),
    ];
    let entered = store.entered(&asked).await.unwrap();
    assert_eq!(entered, [false, true, true, false, false, true, true]);
    assert!(store.entered(&[]).await.unwrap().is_empty());
}
