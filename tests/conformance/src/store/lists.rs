//! Lists of runs.

use std::collections::HashSet;
use std::sync::Arc;

use workflow_core::adapter::{Cursor, ListQuery, Page, Store};
use workflow_core::{Record, RunId, RunState};

use super::StoreFixture;
use crate::samples::{
    completed, creation, key, new_run, new_run_of, orders, paused, start, start_as, status, stepped,
    store_over, workflow,
};
use crate::waiting::tick;

async fn ids(store: &impl Store, query: ListQuery) -> Vec<RunId> {
    let page = store.list(&query).await.unwrap();
    assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
    page.records.iter().map(|record| record.run_id).collect()
}

/// Each filter by itself, with one and with many values, and all together.
pub async fn lists_filter(fixture: impl StoreFixture) {
    let store = fixture.store();
    let a = start(&*store, "a").await;
    tick(&*store).await;
    let b = start(&*store, "b").await;
    let b = store_over(&*store, &b, &stepped(&b, 2)).await;
    tick(&*store).await;
    let c = start(&*store, "c").await;
    let c = store_over(&*store, &c, &completed(&c)).await;
    let other = start_as(&*store, &new_run_of(workflow("refunds"), "a")).await;
    let other = store_over(&*store, &other, &paused(&other)).await;
    let list = async |query: ListQuery| ids(&*store, query).await;
    let all = || ListQuery::default();
    let own = || ListQuery { workflow_name: Some(orders()), ..all() };
    let mut everything = [&a, &b, &c, &other];
    everything.sort_by_key(|record| (record.created_at, record.run_id));
    assert_eq!(list(all()).await, everything.map(|record| record.run_id));
    assert_eq!(list(own()).await, [a.run_id, b.run_id, c.run_id]);
    assert_eq!(list(ListQuery { foreign_ids: vec![key("b")], ..own() }).await, [b.run_id]);
    let two = ListQuery { foreign_ids: vec![key("c"), key("a"), key("x")], ..own() };
    assert_eq!(list(two).await, [a.run_id, c.run_id]);
    assert_eq!(list(ListQuery { statuses: vec![status(2)], ..all() }).await, [b.run_id]);
    assert_eq!(list(ListQuery { statuses: vec![status(9), status(2)], ..all() }).await, [b.run_id, c.run_id]);
    assert_eq!(list(ListQuery { run_states: vec![RunState::Paused], ..all() }).await, [other.run_id]);
    let ended = ListQuery { run_states: vec![RunState::Completed, RunState::Initiated], ..all() };
    assert_eq!(list(ended).await, [a.run_id, c.run_id]);
    assert_eq!(list(ListQuery { created_from: Some(b.created_at), ..own() }).await, [b.run_id, c.run_id]);
    assert_eq!(list(ListQuery { created_before: Some(b.created_at), ..own() }).await, [a.run_id]);
    let together = ListQuery {
        foreign_ids: vec![key("b"), key("c")],
        statuses: vec![status(2)],
        run_states: vec![RunState::Running],
        created_from: Some(a.created_at),
        created_before: Some(c.created_at),
        ..own()
    };
    assert_eq!(list(together.clone()).await, [b.run_id]);
    let none = ListQuery { workflow_name: Some(workflow("refunds")), ..together };
    assert!(list(none).await.is_empty());
}

/// Walks all pages by key; gives the records, and checks that each page but the last is full.
async fn walk(store: &impl Store, mut query: ListQuery) -> Vec<Arc<Record>> {
    let mut all = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        assert!(page.records.len() <= query.limit);
        all.extend(page.records);
        assert!(all.len() <= 1000, "the walk comes round again");
        let Some(next) = page.next else { return all };
        let last = all.last().unwrap();
        assert_eq!(next, Cursor { created_at: last.created_at, run_id: last.run_id });
        assert_eq!(all.len() % query.limit, 0, "a page that is not the last is full");
        query.page = Page::After(next);
    }
}

/// Pages by key walk every run once, in both orders and with filters, though runs are created meanwhile.
pub async fn lists_order_and_page_by_key(fixture: impl StoreFixture) {
    let store = fixture.store();
    for number in 0..40 {
        start(&*store, &format!("order-{number}")).await;
    }
    let all = ids(&*store, ListQuery { limit: 1000, ..ListQuery::default() }).await;
    assert_eq!(all.len(), 40);
    for limit in [1, 7, 20, 40, 41] {
        for newest_first in [false, true] {
            let walked = walk(&*store, ListQuery { limit, newest_first, ..ListQuery::default() }).await;
            let mut expected = all.clone();
            if newest_first {
                expected.reverse();
            }
            assert_eq!(walked.iter().map(|record| record.run_id).collect::<Vec<_>>(), expected);
        }
    }
    let foreign_ids: Vec<_> = (0..40).step_by(3).map(|number| key(&format!("order-{number}"))).collect();
    let some =
        ListQuery { foreign_ids: foreign_ids.clone(), limit: 4, newest_first: true, ..ListQuery::default() };
    let walked = walk(&*store, some).await;
    let mut seen: Vec<_> = walked.iter().map(|record| record.foreign_id.clone()).collect();
    seen.sort();
    let mut expected = foreign_ids;
    expected.sort();
    assert_eq!(seen, expected);

    let query = ListQuery { limit: 30, newest_first: true, ..ListQuery::default() };
    let first = store.list(&query).await.unwrap();
    tick(&*store).await;
    start(&*store, "order-late").await;
    let rest = ListQuery { page: Page::After(first.next.unwrap()), ..query };
    assert_eq!(ids(&*store, rest).await.len(), 10, "what was created meanwhile moves no page");
}

/// Whether a list gives a record, as the filters are meant.
fn is_wanted(query: &ListQuery, record: &Record) -> bool {
    let ListQuery { workflow_name, foreign_ids, statuses, run_states, created_from, created_before, .. } =
        query;
    workflow_name.as_ref().is_none_or(|name| *name == record.workflow_name)
        && (foreign_ids.is_empty() || foreign_ids.contains(&record.foreign_id))
        && (statuses.is_empty() || statuses.contains(&record.status))
        && (run_states.is_empty() || run_states.contains(&record.run_state))
        && created_from.is_none_or(|from| record.created_at >= from)
        && created_before.is_none_or(|before| record.created_at < before)
}

/// Pages by key walk what the filters leave, whichever of them are there, in both orders.
pub async fn pages_by_key_hold_under_every_filter(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut all: Vec<Arc<Record>> = Vec::new();
    for number in 0..48 {
        if number % 8 == 0 {
            tick(&*store).await;
        }
        let name = if number % 3 == 0 { workflow("refunds") } else { orders() };
        let run = start_as(&*store, &new_run_of(name, &format!("order-{}", number % 24))).await;
        // The first half ends, so that each foreign id can have a run in the second one.
        all.push(match number {
            0..24 => store_over(&*store, &run, &completed(&run)).await,
            number if number % 4 == 0 => store_over(&*store, &run, &stepped(&run, 2)).await,
            number if number % 4 == 1 => store_over(&*store, &run, &paused(&run)).await,
            _ => run,
        });
    }
    all.sort_by_key(|record| (record.created_at, record.run_id));
    for mask in 0..128 {
        let has = |filter: u32| mask & (1 << filter) != 0;
        let query = ListQuery {
            workflow_name: has(0).then(orders),
            foreign_ids: if has(1) {
                (0..15).map(|id| key(&format!("order-{id}"))).collect()
            } else {
                vec![]
            },
            statuses: if has(2) { vec![status(1), status(9)] } else { vec![] },
            run_states: if has(3) { vec![RunState::Paused, RunState::Completed] } else { vec![] },
            created_from: has(4).then(|| all[9].created_at),
            created_before: has(5).then(|| all[40].created_at),
            newest_first: has(6),
            limit: 5,
            ..ListQuery::default()
        };
        let wanted = all.iter().filter(|record| is_wanted(&query, record)).map(|record| record.run_id);
        let mut wanted: Vec<RunId> = wanted.collect();
        if query.newest_first {
            wanted.reverse();
        }
        let walked: Vec<RunId> =
            walk(&*store, query.clone()).await.iter().map(|record| record.run_id).collect();
        assert_eq!(walked, wanted, "{query:?}");
    }
}

/// Pages by offset skip so many runs, also beyond the end.
pub async fn lists_skip_by_offset(fixture: impl StoreFixture) {
    let store = fixture.store();
    for number in 0..10 {
        start(&*store, &format!("order-{number}")).await;
    }
    let all = ids(&*store, ListQuery::default()).await;
    let from = async |skip, limit| {
        let query = ListQuery { page: Page::Offset(skip), limit, ..ListQuery::default() };
        ids(&*store, query).await
    };
    assert_eq!(from(0, 4).await, all[..4]);
    assert_eq!(from(4, 4).await, all[4..8]);
    assert_eq!(from(8, 4).await, all[8..]);
    assert!(from(10, 4).await.is_empty());
    assert!(from(u64::MAX, 4).await.is_empty());
}

/// Runs that were created in one instant have an order too, by run id, and no page loses one of them.
pub async fn runs_of_one_instant_have_a_total_order(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut records: Vec<Record> = (0..50).map(|number| new_run(&format!("order-{number}"))).collect();
    records.reverse();
    store.commit(records.iter().map(creation).collect(), Vec::new()).await.unwrap();
    for newest_first in [false, true] {
        let walked = walk(&*store, ListQuery { limit: 3, newest_first, ..ListQuery::default() }).await;
        let mut order: Vec<_> = walked.iter().map(|record| (record.created_at, record.run_id)).collect();
        assert_eq!(order.iter().collect::<HashSet<_>>().len(), 50);
        if newest_first {
            order.reverse();
        }
        assert!(order.is_sorted(), "the order is (created_at, run_id)");
    }
}

/// A list is of 25 runs if nothing else is said, and says where it goes on.
pub async fn lists_give_25_by_default(fixture: impl StoreFixture) {
    let store = fixture.store();
    for number in 0..26 {
        start(&*store, &format!("order-{number}")).await;
    }
    let page = store.list(&ListQuery::default()).await.unwrap();
    assert_eq!(page.records.len(), 25);
    let rest = ListQuery { page: Page::After(page.next.unwrap()), ..ListQuery::default() };
    let rest = store.list(&rest).await.unwrap();
    assert_eq!((rest.records.len(), rest.next), (1, None));
}
