//! What is deleted when it is old, and what never is.

use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::{Effect, ListQuery, Store};
use workflow_core::{Due, Move, Record, RunId};

use super::StoreFixture;
use crate::kept::Kept;
use crate::samples::{
    ack_all, callback, completed, dead_letter, found, moved, new_run, new_run_of, orders, paused, retry_key,
    retry_row, start, start_as, start_key, stepped, store_over, take_effect, timer, workflow,
};
use crate::waiting::tick;

async fn purge(store: &impl Store) -> u64 {
    store.purge(&orders(), Duration::ZERO, 100).await.unwrap()
}

/// A run in each state that is not ended for good; none is ever purged, and neither is one of another workflow.
pub async fn unfinished_runs_are_never_purged(fixture: impl StoreFixture) {
    let store = fixture.store();
    let initiated = start(&*store, "initiated").await;
    let running = start(&*store, "running").await;
    store_over(&*store, &running, &stepped(&running, 2)).await;
    let held = start(&*store, "paused").await;
    store_over(&*store, &held, &paused(&held)).await;
    let asked = start(&*store, "requested").await;
    let done = store_over(&*store, &asked, &completed(&asked)).await;
    store_over(&*store, &done, &moved(&done, Move::RequestDelete { reason: "gdpr".into() })).await;
    let other = start_as(&*store, &new_run_of(workflow("refunds"), "done")).await;
    store_over(&*store, &other, &completed(&other)).await;
    ack_all(&*store).await;
    tick(&*store).await;
    assert_eq!(purge(&*store).await, 0);
    for run in [initiated, running, held, asked, other] {
        assert!(found(&*store, run.run_id).await.is_some());
    }
}

/// While an event of a run has not been sent, the run is kept.
pub async fn a_run_with_an_unsent_row_is_never_purged(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    ack_all(&*store).await;
    store_over(&*store, &run, &completed(&run)).await;
    tick(&*store).await;
    assert_eq!(purge(&*store).await, 0);
    ack_all(&*store).await;
    assert_eq!(purge(&*store).await, 1);
    assert_eq!(found(&*store, run.run_id).await, None);
}

async fn run_with_everything(store: &impl Store, foreign_id: &str) -> Arc<Record> {
    let mut new = new_run(foreign_id);
    new.start_key = Some(start_key(foreign_id));
    let run = start_as(store, &new).await;
    let now = Due::In(Duration::ZERO);
    let effects = vec![
        timer(&run, "0", now),
        Effect::PutRetry(retry_row(&run, "step", Some(now))),
        Effect::PutDeadLetter(dead_letter(&run, foreign_id)),
        Effect::PutCallback(callback(1, "a")),
    ];
    take_effect(store, &run, effects).await;
    run
}

/// With a run goes all that belongs to it, and its start key is free; nothing of another run goes.
pub async fn a_run_is_purged_with_all_that_belongs_to_it(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = run_with_everything(&*store, "order-1").await;
    let stays = run_with_everything(&*store, "order-2").await;
    store_over(&*store, &run, &completed(&run)).await;
    ack_all(&*store).await;
    tick(&*store).await;
    assert_eq!(purge(&*store).await, 1);
    let kept = Kept::of(&*store, &[run.run_id]).await;
    assert_eq!(kept.records, [None]);
    assert!(kept.history.is_empty() && kept.inbox.is_empty());
    let owners: Vec<RunId> = kept
        .timers
        .iter()
        .map(|row| row.key.run_id)
        .chain(kept.retries.iter().map(|row| row.key.run_id))
        .chain(kept.dead_letters.iter().filter_map(|letter| letter.run_id))
        .collect();
    assert_eq!(owners, [stays.run_id; 3]);
    assert_eq!(store.retry(&retry_key(&run, "step")).await.unwrap(), None);
    assert_eq!(store.latest(&orders(), &run.foreign_id).await.unwrap(), None);
    assert_eq!(store.started_by(&orders(), &start_key("order-1")).await.unwrap(), None);
    assert_eq!(store.list(&ListQuery::default()).await.unwrap().records, [stays]);
    run_with_everything(&*store, "order-1").await;
}

/// At most so many are deleted, and none that was stored a moment ago if only older ones are to go.
pub async fn purging_is_limited_and_minds_the_age(fixture: impl StoreFixture) {
    let store = fixture.store();
    let ends = [
        Move::Go { to: crate::samples::status(9), description: "Done".into(), terminal: true },
        Move::Cancel { reason: "mistake".into() },
    ];
    for number in 0..9 {
        let run = start(&*store, &format!("order-{number}")).await;
        let done = store_over(&*store, &run, &moved(&run, ends[number % 2].clone())).await;
        if number % 3 == 0 {
            let asked = moved(&done, Move::RequestDelete { reason: "gdpr".into() });
            let asked = store_over(&*store, &done, &asked).await;
            store_over(&*store, &asked, &moved(&asked, Move::Deleted)).await;
        }
    }
    ack_all(&*store).await;
    tick(&*store).await;
    let day = Duration::from_secs(86_400);
    assert_eq!(store.purge(&orders(), day, 100).await.unwrap(), 0);
    assert_eq!(store.purge(&orders(), Duration::ZERO, 4).await.unwrap(), 4);
    assert_eq!(store.list(&ListQuery::default()).await.unwrap().records.len(), 5);
    assert_eq!(purge(&*store).await, 5);
    assert_eq!(purge(&*store).await, 0);
}
