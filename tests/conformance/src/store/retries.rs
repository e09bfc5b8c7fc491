//! Retry rows.

use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::{Effect, RetryRow, RetryUpdate, Store};
use workflow_core::{Due, Timestamp};

use super::StoreFixture;
use crate::samples::{
    new_run_of, orders, retry_key, retry_row, start, start_as, stepped, store_over, take_effect, workflow,
};

const NOW: Due = Due::In(Duration::ZERO);

async fn due_processes(store: &impl Store) -> Vec<String> {
    let due = store.due(&[orders()], 100).await.unwrap();
    let mut names: Vec<_> = due.retries.into_iter().map(|row| row.key.process.to_string()).collect();
    names.sort();
    names
}

/// A retry row is kept as it was put, and replaced by a later one of its key.
pub async fn retry_rows_are_inserted_and_replaced(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let at = Timestamp::from_millis(5_000);
    let first = retry_row(&run, "step", Some(Due::At(at)));
    take_effect(&*store, &run, vec![Effect::PutRetry(first.clone())]).await;
    let row = |update: &RetryUpdate, due| RetryRow {
        key: update.key.clone(),
        attempt: update.attempt,
        due,
        last_error: Arc::clone(&update.last_error),
        event: Arc::clone(&update.event),
    };
    let stored = async || store.retry(&first.key).await.unwrap();
    assert_eq!(stored().await, Some(row(&first, Some(at))));
    let later = Timestamp::from_millis(9_000);
    let mut event = (*first.event).clone();
    event.set_header("attempt", "6");
    let second = RetryUpdate {
        attempt: 6,
        due: Some(Due::At(later)),
        last_error: "no answer".into(),
        event: Arc::new(event),
        ..first.clone()
    };
    take_effect(&*store, &run, vec![Effect::PutRetry(second.clone())]).await;
    assert_eq!(stored().await, Some(row(&second, Some(later))));
    let due = store.due(&[orders()], 100).await.unwrap();
    assert_eq!(due.retries, [row(&second, Some(later))]);
    assert_eq!(store.retry(&retry_key(&run, "other")).await.unwrap(), None);
    let next = stepped(&run, 2);
    assert_eq!(
        store.retry(&retry_key(&next, "step")).await.unwrap(),
        None,
        "another version has its own rows"
    );
    let keys = [retry_key(&next, "step"), first.key.clone(), retry_key(&run, "other"), first.key.clone()];
    let rows = store.retries(&keys).await.unwrap();
    let there = Some(row(&second, Some(later)));
    assert_eq!(rows, [None, there.clone(), None, there], "rows come in the order asked");
    assert_eq!(store.retries(&[]).await.unwrap(), []);
}

/// A row is replaced only if it is there: what was dealt with meanwhile does not come back.
pub async fn a_retry_row_that_is_gone_is_not_replaced(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let (here, gone) = (retry_row(&run, "here", Some(NOW)), retry_row(&run, "gone", Some(NOW)));
    let put = [&here, &gone].map(|row| Effect::PutRetry(row.clone()));
    take_effect(&*store, &run, put.into()).await;
    let again = |row: &RetryUpdate| {
        Effect::ReplaceRetry(RetryUpdate { attempt: 7, last_error: "again".into(), ..row.clone() })
    };
    let effects = vec![Effect::DeleteRetry(gone.key.clone()), again(&here), again(&gone)];
    take_effect(&*store, &run, effects).await;
    assert_eq!(due_processes(&*store).await, ["here"]);
    let stored = store.retry(&here.key).await.unwrap().unwrap();
    assert_eq!((stored.attempt, &*stored.last_error), (7, "again"));
    take_effect(&*store, &run, vec![again(&gone)]).await;
    assert_eq!(store.retry(&gone.key).await.unwrap(), None);
    let later = RetryUpdate { due: Some(Due::In(Duration::from_secs(3600))), ..here.clone() };
    take_effect(&*store, &run, vec![Effect::ReplaceRetry(later)]).await;
    assert!(due_processes(&*store).await.is_empty());
}

/// A row without a due time is kept and never due, and takes away an earlier due time.
pub async fn a_retry_without_due_time_waits(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    take_effect(&*store, &run, vec![Effect::PutRetry(retry_row(&run, "step", Some(NOW)))]).await;
    assert_eq!(due_processes(&*store).await, ["step"]);
    take_effect(&*store, &run, vec![Effect::PutRetry(retry_row(&run, "step", None))]).await;
    assert!(due_processes(&*store).await.is_empty());
    assert_eq!(store.due(&[orders()], 100).await.unwrap().next_in, None);
    assert_eq!(store.retry(&retry_key(&run, "step")).await.unwrap().unwrap().due, None);
}

/// Rows are deleted by key, or all of a run; a row that is put in the same change stays.
pub async fn retry_rows_are_deleted_by_key_and_by_run(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (run, other) = (start(&*store, "one").await, start(&*store, "two").await);
    let put = |record, process| Effect::PutRetry(retry_row(record, process, Some(NOW)));
    take_effect(&*store, &run, vec![put(&run, "a"), put(&run, "b"), put(&run, "c")]).await;
    take_effect(&*store, &other, vec![put(&other, "other")]).await;
    let gone = || Effect::DeleteRetry(retry_key(&run, "b"));
    take_effect(&*store, &run, vec![gone()]).await;
    take_effect(&*store, &run, vec![gone()]).await;
    assert_eq!(due_processes(&*store).await, ["a", "c", "other"]);
    let next = store_over(&*store, &run, &stepped(&run, 2)).await;
    take_effect(&*store, &next, vec![Effect::DeleteRetries, put(&next, "owed")]).await;
    assert_eq!(due_processes(&*store).await, ["other", "owed"]);
    assert_eq!(store.retry(&retry_key(&run, "a")).await.unwrap(), None);
}

/// Failed attempts that wait are counted, and neither rows of other workflows nor those that only remind of something.
pub async fn waiting_retries_are_counted_by_workflow(fixture: impl StoreFixture) {
    let (store, others) = (fixture.store(), workflow("others"));
    let (one, other) =
        (start(&*store, "order-1").await, start_as(&*store, &new_run_of(others.clone(), "other")).await);
    let count = async |limit| store.waiting_retries(&orders(), limit).await.unwrap();
    assert_eq!(count(100).await, 0);
    let later = Some(Due::In(Duration::from_hours(1)));
    let failed = |run, process| RetryUpdate { attempt: 2, ..retry_row(run, process, later) };
    let reminder = RetryUpdate { attempt: 0, ..retry_row(&one, "hook", later) };
    let held = RetryUpdate { attempt: 3, ..retry_row(&one, "held", None) };
    let rows = [failed(&one, "a"), failed(&one, "b"), reminder, held];
    take_effect(&*store, &one, rows.into_iter().map(Effect::PutRetry).collect()).await;
    take_effect(&*store, &other, vec![Effect::PutRetry(failed(&other, "a"))]).await;
    assert_eq!(count(100).await, 2);
    assert_eq!(store.waiting_retries(&others, 100).await.unwrap(), 1);
    assert!(count(1).await <= 1, "no more is counted than is asked");
    take_effect(&*store, &one, vec![Effect::DeleteRetries]).await;
    assert_eq!(count(100).await, 0);
}
