//! Slots of schedules.

use std::sync::Arc;

use tokio::task::JoinSet;
use workflow_core::Timestamp;
use workflow_core::adapter::{Effect, Outcome, SlotKey, Store};

use super::StoreFixture;
use crate::samples::{commit_one, creation, effects, key, new_run, slot, workflow};

async fn take(store: &impl Store, slot: SlotKey) -> Outcome {
    commit_one(store, effects(new_run("none").run_id, vec![Effect::TakeSlot(slot)])).await
}

/// A slot is taken once, by its workflow, foreign id, spec and instant; the last one taken is told.
pub async fn a_slot_is_taken_once(fixture: impl StoreFixture) {
    let store = fixture.store();
    let last = async |of: &SlotKey| store.last_slot(of).await.unwrap().map(Timestamp::as_millis);
    assert_eq!(last(&slot(0)).await, None);
    assert_eq!(take(&*store, slot(100)).await, Outcome::Stored(None));
    assert_eq!(take(&*store, slot(300)).await, Outcome::Stored(None));
    assert_eq!(take(&*store, slot(200)).await, Outcome::Stored(None));
    assert_eq!(take(&*store, slot(200)).await, Outcome::DuplicateKey);
    assert_eq!(last(&slot(0)).await, Some(300));
    let neighbours = [
        SlotKey { workflow_name: workflow("refunds"), ..slot(100) },
        SlotKey { foreign_id: key("Nightly"), ..slot(100) },
        SlotKey { spec: "@hourly".into(), ..slot(100) },
    ];
    for neighbour in neighbours {
        assert_eq!(last(&neighbour).await, None);
        assert_eq!(take(&*store, neighbour.clone()).await, Outcome::Stored(None));
        assert_eq!(last(&neighbour).await, Some(100));
    }
}

/// Of many that take a slot and start a run with it at the same moment, one does both.
pub async fn one_of_many_takes_a_slot(fixture: impl StoreFixture) {
    const CALLERS: usize = 24;
    let handles = [fixture.store(), fixture.second().await];
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&handles[caller % 2]);
        callers.spawn(async move {
            let mut change = creation(&new_run(&format!("order-{caller}")));
            change.effects = vec![Effect::TakeSlot(slot(100))];
            commit_one(&*store, change).await
        });
    }
    let outcomes = callers.join_all().await;
    let refused = outcomes.iter().filter(|each| **each == Outcome::DuplicateKey).count();
    assert_eq!(refused, CALLERS - 1);
    let runs = handles[0].list(&workflow_core::adapter::ListQuery::default()).await.unwrap();
    assert_eq!(runs.records.len(), 1);
}

/// Slots up to an instant can be forgotten, those of one schedule alone.
pub async fn forgotten_slots_can_be_taken_again(fixture: impl StoreFixture) {
    let store = fixture.store();
    let other = |at| SlotKey { foreign_id: key("other"), ..slot(at) };
    for at in [100, 200, 300] {
        take(&*store, slot(at)).await;
        take(&*store, other(at)).await;
    }
    let forget = effects(new_run("none").run_id, vec![Effect::ForgetSlots(slot(200))]);
    assert_eq!(commit_one(&*store, forget).await, Outcome::Stored(None));
    assert_eq!(take(&*store, slot(200)).await, Outcome::Stored(None));
    assert_eq!(take(&*store, slot(300)).await, Outcome::DuplicateKey);
    assert_eq!(take(&*store, other(100)).await, Outcome::DuplicateKey);
    let all = effects(new_run("none").run_id, vec![Effect::ForgetSlots(slot(900))]);
    commit_one(&*store, all).await;
    assert_eq!(store.last_slot(&slot(0)).await.unwrap(), None);
    assert_eq!(store.last_slot(&other(0)).await.unwrap(), Some(other(300).slot));
}
