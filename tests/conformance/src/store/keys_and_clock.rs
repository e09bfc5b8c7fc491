//! Keys are compared byte by byte, and one clock stamps everything.

use std::time::Duration;

use workflow_core::adapter::{Effect, ListQuery, Store};
use workflow_core::{Due, Timestamp};

use super::StoreFixture;
use crate::kept::Kept;
use crate::samples::{
    creation, dead_letter, key, new_run, new_run_of, orders, outbox_rows, retry_key, retry_row, start,
    start_as, start_key, stepped, store_over, take_effect, timer, workflow,
};
use crate::waiting::tick;

/// Keys that a database with a collation takes for the same.
const NEIGHBOURS: [&str; 10] =
    ["case", "Case", "case ", " case", "CASE", "cásé", "ca\u{301}se\u{301}", "straße", "strasse", "😀"];

/// Foreign ids, start keys and workflow names that differ in one byte are different.
pub async fn byte_exact_keys(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut records = NEIGHBOURS.map(new_run);
    for record in &mut records {
        record.start_key = Some(start_key(record.foreign_id.as_str()));
    }
    let outcomes = store.commit(records.iter().map(creation).collect(), Vec::new()).await.unwrap();
    assert_eq!(outcomes.len(), NEIGHBOURS.len());
    for record in &records {
        let latest = store.latest(&orders(), &record.foreign_id).await.unwrap();
        assert_eq!(latest.unwrap().run_id, record.run_id, "foreign id {:?}", record.foreign_id);
        let by_key = store.started_by(&orders(), record.start_key.as_ref().unwrap()).await.unwrap();
        assert_eq!(by_key.unwrap().run_id, record.run_id, "start key {:?}", record.start_key);
        let query = ListQuery { foreign_ids: vec![record.foreign_id.clone()], ..ListQuery::default() };
        assert_eq!(store.list(&query).await.unwrap().records.len(), 1);
    }
    for name in ["Orders", "orders ", "ordérs"] {
        let own = start_as(&*store, &new_run_of(workflow(name), "case")).await;
        let latest = store.latest(&workflow(name), &key("case")).await.unwrap().unwrap();
        assert_eq!(latest, own);
    }
    assert_eq!(store.latest(&orders(), &key("cas")).await.unwrap(), None);
}

/// Every stored instant comes from the store's clock, whatever the change said; a creation's instant never changes.
pub async fn one_clock(fixture: impl StoreFixture) {
    let store = fixture.store();
    let clock = store.clock();
    let mut new = new_run("order-1");
    (new.created_at, new.updated_at) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
    let start = clock.now();
    let run = start_as(&*store, &new).await;
    let created = clock.now();
    assert!(start <= run.created_at && run.created_at <= created, "{} is not now", run.created_at);
    assert_eq!(run.created_at, run.updated_at);
    tick(&*store).await;

    let before = clock.now();
    let next = store_over(&*store, &run, &stepped(&run, 2)).await;
    let within = |at: Timestamp| before <= at && at <= clock.now();
    assert_eq!(next.created_at, run.created_at);
    assert!(within(next.updated_at), "{} is not now", next.updated_at);
    let effects = vec![
        timer(&next, "0", Due::In(Duration::ZERO)),
        timer(&next, "1", Due::At(Timestamp::from_millis(12_345))),
        Effect::PutRetry(retry_row(&next, "a", Some(Due::In(Duration::from_secs(3600))))),
        Effect::PutRetry(retry_row(&next, "b", Some(Due::At(Timestamp::from_millis(67_890))))),
        Effect::PutDeadLetter(dead_letter(&next, "letter-1")),
    ];
    take_effect(&*store, &next, effects).await;
    let kept = Kept::of(&*store, &[run.run_id]).await;
    assert_eq!(kept.history[1].at, next.updated_at);
    assert!(within(outbox_rows(&*store, 10).await[1].created_at));
    assert_eq!(kept.timers[0].expire_at, Timestamp::from_millis(12_345));
    assert!(within(kept.timers[1].expire_at));
    assert_eq!(kept.timers[1].expire_at, kept.timers[1].created_at);
    assert!(within(kept.dead_letters[0].created_at));
    let retry = async |process| store.retry(&retry_key(&next, process)).await.unwrap().unwrap().due.unwrap();
    assert!(within(retry("a").await.before(Duration::from_secs(3600))));
    assert_eq!(retry("b").await, Timestamp::from_millis(67_890));
    // It is the same clock whenever it is asked for.
    let elapsed = clock.elapsed();
    assert!(store.clock().elapsed() >= elapsed, "another clock than before");
}

/// Latest, by key and by list agree on a store of one run; nothing is found under a name that is not there.
pub async fn started_by_finds_the_run(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut new = new_run("order-1");
    new.start_key = Some(start_key("request-1"));
    let run = start_as(&*store, &new).await;
    start(&*store, "order-2").await;
    let started = async |name| store.started_by(&orders(), &start_key(name)).await.unwrap();
    assert_eq!(started("request-1").await, Some(run.clone()));
    assert_eq!(started("request-2").await, None);
    let next = store_over(&*store, &run, &stepped(&run, 2)).await;
    assert_eq!(started("request-1").await, Some(next));
}
