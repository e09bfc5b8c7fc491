//! Live runs that nothing drives.

use std::time::Duration;

use workflow_core::RunId;
use workflow_core::adapter::{Effect, OutboxRow, Store};
use workflow_core::{Due, EventId};

use super::StoreFixture;
use crate::samples::{
    ack_all, commit_stored, completed, dead_letter, effects_at, event_of, far_future, new_run_of, orders,
    paused, retry_row, start, start_as, stepped, store_over, take_effect, workflow,
};
use crate::waiting::tick;

/// All runs that nothing drives, in slices of so many.
async fn driverless(store: &impl Store, slice: usize) -> Vec<RunId> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..1000 {
        let part = store.driverless(&orders(), Duration::ZERO, after, slice).await.unwrap();
        assert!(part.records.len() <= slice);
        found.extend(part.records.iter().map(|record| record.run_id));
        after = part.next;
        if after.is_none() {
            return found;
        }
    }
    panic!("the walk in slices of {slice} does not end")
}

/// An outbox row, a retry row (due or not) or a dead letter of the run's version keeps it away; one of another version
/// does not.
pub async fn a_driver_keeps_a_run_from_the_reconciler(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    tick(&*store).await;
    assert!(driverless(&*store, 10).await.is_empty(), "its event is in the outbox");
    ack_all(&*store).await;
    assert_eq!(driverless(&*store, 10).await, [run.run_id]);
    for due in [None, Some(Due::At(far_future())), Some(Due::In(Duration::ZERO))] {
        take_effect(&*store, &run, vec![Effect::PutRetry(retry_row(&run, "step", due))]).await;
        assert!(driverless(&*store, 10).await.is_empty(), "a retry row drives it: {due:?}");
        take_effect(&*store, &run, vec![Effect::DeleteRetries]).await;
    }
    let next = store_over(&*store, &run, &stepped(&run, 2)).await;
    let old = vec![
        Effect::PutRetry(retry_row(&run, "step", None)),
        Effect::PutDeadLetter(dead_letter(&run, "old letter")),
    ];
    take_effect(&*store, &next, old).await;
    ack_all(&*store).await;
    tick(&*store).await;
    assert_eq!(driverless(&*store, 10).await, [run.run_id], "what is of an old version drives nothing");
    let mut again = effects_at(&next, Vec::new());
    again.outbox = Some(OutboxRow { id: EventId::after(next.last_event_id), event: event_of(&next) });
    commit_stored(&*store, again).await;
    assert!(driverless(&*store, 10).await.is_empty(), "its event was emitted again");
    ack_all(&*store).await;
    take_effect(&*store, &next, vec![Effect::PutDeadLetter(dead_letter(&next, "new letter"))]).await;
    assert!(driverless(&*store, 10).await.is_empty(), "it was set aside");
}

/// Only live runs of the workflow that were last stored long enough ago are given; a paused one is live.
pub async fn driverless_runs_are_live_and_old(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "live").await;
    let held = start(&*store, "paused").await;
    store_over(&*store, &held, &paused(&held)).await;
    let done = start(&*store, "done").await;
    store_over(&*store, &done, &completed(&done)).await;
    start_as(&*store, &new_run_of(workflow("refunds"), "live")).await;
    ack_all(&*store).await;
    tick(&*store).await;
    let mut found = driverless(&*store, 10).await;
    found.sort();
    let mut expected = [run.run_id, held.run_id];
    expected.sort();
    assert_eq!(found, expected);
    let young = store.driverless(&orders(), Duration::from_secs(86_400), None, 10).await.unwrap();
    assert!(young.records.is_empty(), "they were stored a moment ago");
}

/// Slices walk every run once, whatever their size, and the walk ends, though runs of a slice end between two slices.
pub async fn driverless_slices_walk_everything_once(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut runs = Vec::new();
    for number in 0..30 {
        runs.push(start(&*store, &format!("order-{number}")).await);
    }
    ack_all(&*store).await;
    for run in runs.iter().step_by(3) {
        take_effect(&*store, run, vec![Effect::PutRetry(retry_row(run, "step", None))]).await;
    }
    tick(&*store).await;
    let mut expected: Vec<RunId> =
        runs.iter().enumerate().filter(|(at, _)| at % 3 != 0).map(|(_, run)| run.run_id).collect();
    expected.sort();
    for slice in [1, 4, 15, 30, 31] {
        let mut found = driverless(&*store, slice).await;
        found.sort();
        assert_eq!(found, expected, "in slices of {slice}");
    }
    let first = store.driverless(&orders(), Duration::ZERO, None, 10).await.unwrap();
    for record in &first.records {
        store_over(&*store, record, &completed(record)).await;
    }
    let mut rest: Vec<RunId> = first.records.iter().map(|record| record.run_id).collect();
    let second = store.driverless(&orders(), Duration::ZERO, first.next, 100).await.unwrap();
    rest.extend(second.records.iter().map(|record| record.run_id));
    rest.sort();
    assert_eq!(rest, expected, "the walk goes on after a run that has ended meanwhile");
}
