//! Timers, and what is due.

use std::time::Duration;

use workflow_core::adapter::{DueWork, Effect, Store, TimerRow};
use workflow_core::{Due, Timestamp};

use super::StoreFixture;
use crate::samples::{
    commit_stored, effects_at, far_future, new_run_of, orders, retry_row, start, start_as, stepped,
    store_over, take_effect, timer, timer_key, workflow,
};

const NOW: Due = Due::In(Duration::ZERO);

async fn due(store: &impl Store) -> DueWork {
    store.due(&[orders()], 100).await.unwrap()
}

/// The names of the due timers, in the order given.
async fn due_names(store: &impl Store) -> Vec<String> {
    let due = due(store).await;
    due.timers.into_iter().map(|due| due.timer.key.name.to_string()).collect()
}

/// A timer key is stored once; a completed or cancelled one never becomes due again.
pub async fn idempotent_timers(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    take_effect(&*store, &run, vec![timer(&run, "a", NOW), timer(&run, "b", NOW)]).await;
    let first = due(&*store).await.timers;
    take_effect(&*store, &run, vec![timer(&run, "a", Due::At(far_future())), timer(&run, "b", NOW)]).await;
    let again = due(&*store).await.timers;
    let rows = |due: &[workflow_core::adapter::DueTimer]| -> Vec<TimerRow> {
        due.iter().map(|due| due.timer.clone()).collect()
    };
    assert_eq!(rows(&again), rows(&first), "the same key was stored twice");
    take_effect(&*store, &run, vec![Effect::CompleteTimer(timer_key(&run, "a"))]).await;
    assert_eq!(due_names(&*store).await, ["b"]);
    take_effect(&*store, &run, vec![timer(&run, "a", NOW), Effect::ReleaseTimers]).await;
    assert_eq!(due_names(&*store).await, ["b"], "a completed timer is due again");
    take_effect(&*store, &run, vec![Effect::HoldTimer(timer_key(&run, "a"))]).await;
    take_effect(&*store, &run, vec![Effect::ReleaseTimers]).await;
    assert_eq!(due_names(&*store).await, ["b"], "a completed timer was held and released");
    take_effect(&*store, &run, vec![Effect::CancelTimers(None)]).await;
    take_effect(&*store, &run, vec![timer(&run, "a", NOW), timer(&run, "b", NOW), Effect::ReleaseTimers])
        .await;
    assert!(due_names(&*store).await.is_empty(), "a cancelled timer is due again");
    let next = store_over(&*store, &run, &stepped(&run, 2)).await;
    take_effect(&*store, &next, vec![timer(&next, "a", NOW)]).await;
    assert_eq!(due_names(&*store).await, ["a"], "another entry has timers of its own");
}

/// Only what is due is given; `next_in` tells when the next one is.
pub async fn only_due_timers_are_given(fixture: impl StoreFixture) {
    let store = fixture.store();
    let idle = due(&*store).await;
    assert!(idle.timers.is_empty() && idle.retries.is_empty());
    assert_eq!(idle.next_in, None);
    let run = start(&*store, "order-1").await;
    let before = store.clock().now();
    take_effect(&*store, &run, vec![timer(&run, "late", Due::At(far_future()))]).await;
    let waiting = due(&*store).await;
    assert!(waiting.timers.is_empty());
    let next = waiting.next_in.unwrap();
    assert!(next <= far_future().since(before) && next >= far_future().since(store.clock().now()));
    take_effect(&*store, &run, vec![timer(&run, "now", NOW)]).await;
    assert_eq!(due_names(&*store).await, ["now"]);
    let sooner = far_future().before(Duration::from_secs(86_400));
    take_effect(&*store, &run, vec![Effect::PutRetry(retry_row(&run, "p", Some(Due::At(sooner))))]).await;
    let next = due(&*store).await.next_in.unwrap();
    assert!(next <= sooner.since(before), "the next retry is sooner than the next timer");
}

/// What is due is given oldest first, up to the limit, and `next_in` is zero if there is more.
pub async fn due_work_is_oldest_first_and_limited(fixture: impl StoreFixture) {
    let store = fixture.store();
    for at in [30, 10, 50, 20, 40] {
        let run = start(&*store, &format!("order-{at}")).await;
        let due = Due::At(Timestamp::from_millis(at));
        take_effect(
            &*store,
            &run,
            vec![timer(&run, "t", due), Effect::PutRetry(retry_row(&run, "p", Some(due)))],
        )
        .await;
    }
    let instants = |work: &DueWork| -> (Vec<i64>, Vec<i64>) {
        let timers = work.timers.iter().map(|due| due.timer.expire_at.as_millis()).collect();
        (timers, work.retries.iter().map(|row| row.due.unwrap().as_millis()).collect())
    };
    let all = due(&*store).await;
    assert_eq!(instants(&all), (vec![10, 20, 30, 40, 50], vec![10, 20, 30, 40, 50]));
    assert_eq!(all.next_in, None);
    let some = store.due(&[orders()], 3).await.unwrap();
    assert_eq!(instants(&some), (vec![10, 20, 30], vec![10, 20, 30]));
    assert_eq!(some.next_in, Some(Duration::ZERO), "there is more that is due");
}

/// Of workflows that are not named nothing is given, and nothing is waited for.
pub async fn due_work_is_of_the_named_workflows_alone(fixture: impl StoreFixture) {
    let store = fixture.store();
    for name in ["orders", "refunds", "returns"] {
        let run = start_as(&*store, &new_run_of(workflow(name), "order-1")).await;
        let effects = vec![timer(&run, name, NOW), Effect::PutRetry(retry_row(&run, name, Some(NOW)))];
        take_effect(&*store, &run, effects).await;
    }
    let named = store.due(&[workflow("returns"), orders()], 100).await.unwrap();
    let mut names: Vec<_> = named.timers.iter().map(|due| due.timer.workflow_name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["orders", "returns"]);
    let mut names: Vec<_> = named.retries.iter().map(|row| row.event.workflow_name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["orders", "returns"]);
    let none = store.due(&[workflow("unknown")], 100).await.unwrap();
    assert!(none.timers.is_empty() && none.retries.is_empty() && none.next_in.is_none());
    let none = store.due(&[], 100).await.unwrap();
    assert!(none.timers.is_empty() && none.retries.is_empty() && none.next_in.is_none());
}

/// A due timer comes with what it was written with, and with the present state of its run.
pub async fn due_timers_come_with_their_run(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let next = stepped(&run, 2);
    let mut change = crate::samples::update(&run, &next);
    change.effects = vec![timer(&next, "0", NOW)];
    let next = commit_stored(&*store, change).await.unwrap();
    let moved_on = store_over(&*store, &next, &stepped(&next, 3)).await;
    let due = due(&*store).await.timers.remove(0);
    assert_eq!(due.record.unwrap(), Some(moved_on));
    let expected = TimerRow {
        key: timer_key(&next, "0"),
        workflow_name: orders(),
        foreign_id: run.foreign_id.clone(),
        status: next.status,
        expire_at: next.updated_at,
        created_at: next.updated_at,
    };
    assert_eq!(due.timer, expected);
}

/// A held timer is not due until it is released, and then it is.
pub async fn held_timers_wait_for_their_release(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (run, other) = (start(&*store, "one").await, start(&*store, "two").await);
    take_effect(&*store, &run, vec![timer(&run, "a", NOW), timer(&run, "b", NOW)]).await;
    take_effect(&*store, &other, vec![timer(&other, "c", NOW)]).await;
    let hold = |record, name| Effect::HoldTimer(timer_key(record, name));
    take_effect(&*store, &run, vec![hold(&run, "a")]).await;
    take_effect(&*store, &other, vec![hold(&other, "c")]).await;
    assert_eq!(due_names(&*store).await, ["b"]);
    assert_eq!(due(&*store).await.next_in, None, "a held timer is not waited for");
    take_effect(&*store, &run, vec![Effect::ReleaseTimers]).await;
    let mut names = due_names(&*store).await;
    names.sort();
    assert_eq!(names, ["a", "b"], "the other run's timer is still held");
    take_effect(&*store, &other, vec![Effect::CompleteTimer(timer_key(&other, "c")), Effect::ReleaseTimers])
        .await;
    let names = due_names(&*store).await;
    assert!(!names.contains(&"c".to_owned()), "a timer was completed while it was held");
}

/// Cancelling takes open and held timers of the run, and no other run's.
pub async fn cancelled_timers_stay_cancelled(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (run, other) = (start(&*store, "one").await, start(&*store, "two").await);
    take_effect(&*store, &run, vec![timer(&run, "a", NOW), timer(&run, "held", NOW)]).await;
    take_effect(&*store, &other, vec![timer(&other, "other", NOW)]).await;
    take_effect(&*store, &run, vec![Effect::HoldTimer(timer_key(&run, "held"))]).await;
    take_effect(&*store, &run, vec![Effect::CancelTimers(None)]).await;
    take_effect(&*store, &run, vec![Effect::ReleaseTimers]).await;
    assert_eq!(due_names(&*store).await, ["other"]);
}

/// Timers can be cancelled of one entry of a status alone.
pub async fn timers_of_one_entry_are_cancelled_alone(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    take_effect(&*store, &run, vec![timer(&run, "first", NOW)]).await;
    let next = store_over(&*store, &run, &stepped(&run, 2)).await;
    take_effect(&*store, &next, vec![timer(&next, "second", NOW)]).await;
    let cancel = effects_at(&next, vec![Effect::CancelTimers(Some(run.version))]);
    commit_stored(&*store, cancel).await;
    assert_eq!(due_names(&*store).await, ["second"]);
}

/// A transition cancels the timers of the status that it leaves and writes those of the one that it enters.
pub async fn a_new_timer_survives_the_cancelling_of_the_old(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    take_effect(&*store, &run, vec![timer(&run, "old", NOW)]).await;
    let next = stepped(&run, 2);
    let mut change = crate::samples::update(&run, &next);
    change.effects = vec![Effect::CancelTimers(None), timer(&next, "new", NOW)];
    commit_stored(&*store, change).await;
    assert_eq!(due_names(&*store).await, ["new"]);
}
