//! Callbacks in the inbox.

use bytes::Bytes;
use workflow_core::adapter::{Callback, Effect, Outcome, Store};

use super::StoreFixture;
use crate::samples::{callback, commit_one, effects_at, start, status, take_effect};

/// A callback key is noted once per run and status.
pub async fn a_callback_key_is_noted_once(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (run, other) = (start(&*store, "one").await, start(&*store, "two").await);
    let put = |record, code, key| effects_at(record, vec![Effect::PutCallback(callback(code, key))]);
    assert_eq!(commit_one(&*store, put(&run, 1, "a")).await, Outcome::Stored(None));
    assert_eq!(commit_one(&*store, put(&run, 1, "a")).await, Outcome::DuplicateKey);
    for neighbour in [put(&run, 1, "A"), put(&run, 1, "a "), put(&run, 2, "a"), put(&other, 1, "a")] {
        assert_eq!(commit_one(&*store, neighbour).await, Outcome::Stored(None));
    }
    assert_eq!(store.inbox(run.run_id, status(1)).await.unwrap().len(), 3);
    assert_eq!(store.inbox(run.run_id, status(2)).await.unwrap(), [callback(2, "a")]);
    assert!(store.inbox(run.run_id, status(3)).await.unwrap().is_empty());
}

/// Callbacks are given in the order in which they came, also those of one instant.
pub async fn callbacks_are_given_oldest_first(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let keys = ["e", "a", "d", "b", "c", "z", "y", "x"];
    for key in keys {
        take_effect(&*store, &run, vec![Effect::PutCallback(callback(1, key))]).await;
    }
    assert_eq!(store.inbox(run.run_id, status(1)).await.unwrap(), keys.map(|key| callback(1, key)));
}

/// An applied callback is still known by its key, without its payload.
pub async fn an_applied_callback_stays_without_its_payload(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let already = Callback { applied: true, payload: Bytes::new(), ..callback(1, "b") };
    take_effect(&*store, &run, vec![Effect::PutCallback(callback(1, "a"))]).await;
    take_effect(&*store, &run, vec![Effect::PutCallback(already.clone())]).await;
    take_effect(&*store, &run, vec![Effect::PutCallback(callback(1, "c"))]).await;
    let apply = |key: &str| Effect::ApplyCallback { status: status(1), key: key.into() };
    take_effect(&*store, &run, vec![apply("a"), apply("unknown")]).await;
    let applied = Callback { applied: true, payload: Bytes::new(), ..callback(1, "a") };
    assert_eq!(store.inbox(run.run_id, status(1)).await.unwrap(), [applied, already, callback(1, "c")]);
    let again = effects_at(&run, vec![Effect::PutCallback(callback(1, "a"))]);
    assert_eq!(commit_one(&*store, again).await, Outcome::DuplicateKey);
}
