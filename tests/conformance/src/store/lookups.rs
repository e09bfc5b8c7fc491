//! Runs by id and by foreign id.

use std::time::Duration;

use workflow_core::adapter::{ErrorKind, ListQuery, Store};
use workflow_core::{Due, Move, RunId};

use super::StoreFixture;
use crate::samples::{completed, key, moved, orders, paused, start, stepped, store_over, take_effect, timer};
use crate::waiting::tick;

/// Records are given in the order asked, missing ones as such, repeated ones each time.
pub async fn lookup_answers_in_the_order_asked(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut records = Vec::new();
    for number in 0..300 {
        records.push(start(&*store, &format!("order-{number}")).await);
    }
    records.reverse();
    let missing = RunId::generate();
    let mut asked: Vec<RunId> = records.iter().map(|record| record.run_id).collect();
    asked.insert(150, missing);
    asked.push(records[0].run_id);
    let mut expected: Vec<_> = records.iter().cloned().map(Some).collect();
    expected.insert(150, None);
    expected.push(Some(records[0].clone()));
    let found: Vec<_> = store.lookup(&asked).await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(found, expected);
    assert!(store.lookup(&[]).await.unwrap().is_empty());
}

/// The live run of a foreign id is given before those that have ended; among those, the newest.
pub async fn latest_prefers_the_live_run(fixture: impl StoreFixture) {
    let store = fixture.store();
    let latest = async || store.latest(&orders(), &key("order-1")).await.unwrap();
    assert_eq!(latest().await, None);
    for _ in 0..3 {
        let run = start(&*store, "order-1").await;
        assert_eq!(latest().await, Some(run.clone()));
        let run = store_over(&*store, &run, &stepped(&run, 2)).await;
        let run = store_over(&*store, &run, &paused(&run)).await;
        assert_eq!(latest().await, Some(run.clone()));
        let cancelled = moved(&run, Move::Cancel { reason: "no".into() });
        let done = store_over(&*store, &run, &cancelled).await;
        assert_eq!(latest().await, Some(done));
        tick(&*store).await;
    }
    let run = start(&*store, "order-1").await;
    let done = store_over(&*store, &run, &completed(&run)).await;
    assert_eq!(latest().await, Some(done));
}

/// A record that cannot be read is an error of its own: lookups, lists and due timers give the others.
pub async fn an_unreadable_record_takes_no_other_with_it(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut runs = Vec::new();
    for number in 0..3 {
        let run = start(&*store, &format!("order-{number}")).await;
        take_effect(&*store, &run, vec![timer(&run, "0", Due::In(Duration::ZERO))]).await;
        runs.push(run);
    }
    if !fixture.spoil(runs[1].run_id).await {
        return;
    }
    let found = store.lookup(&[runs[0].run_id, runs[1].run_id, runs[2].run_id]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().as_ref(), Some(&runs[0]));
    assert_eq!(found[1].as_ref().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(found[2].as_ref().unwrap().as_ref(), Some(&runs[2]));
    let error = store.latest(&orders(), &runs[1].foreign_id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&runs[1].run_id.to_string()), "{error} does not name the run");
    let list = store.list(&ListQuery::default()).await.unwrap();
    assert_eq!(list.records, [runs[0].clone(), runs[2].clone()]);
    assert_eq!(list.unreadable.len(), 1);
    let due = store.due(&[orders()], 10).await.unwrap();
    let readable: Vec<bool> = due.timers.iter().map(|due| due.record.is_ok()).collect();
    assert_eq!(readable.iter().filter(|readable| **readable).count(), 2, "{readable:?}");
    assert_eq!(readable.len(), 3);
}
