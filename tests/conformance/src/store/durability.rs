//! What survives the end of the process, and what a dropped future leaves behind.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::{Effect, EpochClaim, ListQuery, Store};
use workflow_core::{Due, Record, RunId};

use super::StoreFixture;
use crate::kept::Kept;
use crate::samples::{
    callback, commit_one, creation, dead_letter, new_run, orders, outbox_rows, retry_row, role, slot, start,
    start_as, start_key, stepped, store_over, take_effect, timer,
};
use crate::waiting::{eventually, let_others_run, poll_once};

/// What `commit` and `register` have answered is there after the end of the process.
pub async fn durable(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut new = new_run("order-1");
    new.start_key = Some(start_key("request-1"));
    let run = start_as(&*store, &new).await;
    let next = store_over(&*store, &run, &stepped(&run, 2)).await;
    let now = Due::In(Duration::ZERO);
    let effects = vec![
        timer(&next, "0", now),
        Effect::PutRetry(retry_row(&next, "step", Some(now))),
        Effect::PutDeadLetter(dead_letter(&next, "letter-1")),
        Effect::TakeSlot(slot(5)),
        Effect::PutCallback(callback(1, "a")),
    ];
    take_effect(&*store, &next, effects).await;
    let epoch = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    let before = Kept::of(&*store, &[run.run_id]).await;
    drop(store);
    let fixture = fixture.reopen().await;
    let store = fixture.store();
    assert_eq!(Kept::of(&*store, &[run.run_id]).await, before);
    assert_eq!(store.latest(&orders(), &run.foreign_id).await.unwrap(), Some(Arc::clone(&next)));
    assert_eq!(store.started_by(&orders(), &start_key("request-1")).await.unwrap(), Some(next));
    let later = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    assert_eq!(later.get(), epoch.get() + 1);
}

/// A process that ends after a commit and before its events are published leaves their rows to the next one.
pub async fn a_crash_between_commit_and_publish_loses_no_row(fixture: impl StoreFixture) {
    const RUNS: usize = 50;
    let store = fixture.store();
    let mut runs = Vec::new();
    for number in 0..RUNS {
        let run = start(&*store, &format!("order-{number}")).await;
        runs.push(store_over(&*store, &run, &stepped(&run, 2)).await);
    }
    let ids = |rows: Vec<_>| -> Vec<Arc<str>> {
        rows.into_iter().map(|row: workflow_core::adapter::StoredOutboxRow| row.id).collect()
    };
    let published: Vec<_> = runs.iter().take(10).filter_map(|run| run.last_event_id).collect();
    store.commit(Vec::new(), published.clone()).await.unwrap();
    let before = ids(outbox_rows(&*store, 1000).await);
    assert_eq!(before.len(), 2 * RUNS - published.len());
    drop(store);
    let fixture = fixture.reopen().await;
    let store = fixture.store();
    assert_eq!(ids(outbox_rows(&*store, 7).await), before);
    assert_eq!(
        store.list(&ListQuery { limit: 1000, ..ListQuery::default() }).await.unwrap().records.len(),
        RUNS
    );
}

/// Polls a future so many times, letting others run in between, and drops it.
async fn poll_and_drop<V>(times: usize, future: impl Future<Output = V>) {
    let mut future = pin!(future);
    for _ in 0..times {
        if poll_once(future.as_mut()).await.is_some() {
            return;
        }
        let_others_run().await;
    }
}

/// A commit whose future is dropped, at whatever point, is made whole or not at all, and hinders nobody after it.
pub async fn cancellation(fixture: impl StoreFixture) {
    const COMMITS: usize = 150;
    let store = fixture.store();
    let records: Vec<Record> = (0..COMMITS).map(|number| new_run(&format!("order-{number}"))).collect();
    let mut dropping = tokio::task::JoinSet::new();
    for (number, record) in records.iter().cloned().enumerate() {
        let store = Arc::clone(&store);
        dropping.spawn(async move {
            let mut change = creation(&record);
            change.effects = vec![
                timer(&record, "0", Due::In(Duration::ZERO)),
                Effect::PutCallback(callback(1, "a")),
                Effect::PutDeadLetter(dead_letter(&record, &record.run_id.to_string())),
            ];
            poll_and_drop(number % 5, store.commit(vec![change], Vec::new())).await;
        });
    }
    dropping.join_all().await;
    commit_one(&*store, creation(&new_run("after them"))).await;
    let runs: Vec<RunId> = records.iter().map(|record| record.run_id).collect();
    for run_id in runs {
        // A commit that is still under way becomes whole; one that is torn stays so.
        eventually("a dropped commit is whole or not there", async || {
            let parts = parts_of(&*store, run_id).await;
            parts.iter().all(|part| *part == parts[0])
        })
        .await;
    }
    let untouched = store.lookup(&[records[0].run_id]).await.unwrap().remove(0).unwrap();
    assert_eq!(untouched, None, "a commit that was never polled is not made");
}

/// Which parts of a commit of a run are there.
async fn parts_of(store: &impl Store, run_id: RunId) -> [bool; 6] {
    let kept = Kept::of(store, &[run_id]).await;
    let event = outbox_rows(store, 1000).await;
    [
        kept.records[0].is_some(),
        !kept.history.is_empty(),
        !kept.inbox.is_empty(),
        kept.timers.iter().any(|row| row.key.run_id == run_id),
        kept.dead_letters.iter().any(|letter| letter.run_id == Some(run_id)),
        event.iter().any(|row| row.event.as_ref().is_ok_and(|(_, event)| event.run_id == run_id)),
    ]
}
