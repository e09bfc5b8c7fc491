//! Outbox rows.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use workflow_core::adapter::{Effect, OutboxRow, Store, StoredOutboxRow};
use workflow_core::{Event, EventId, RunId, header};

use super::{Planted, StoreFixture};
use crate::samples::{
    commit_stored, effects, effects_at, event_of, new_run, outbox_rows, start, stepped, store_over,
};

fn read(row: &StoredOutboxRow) -> (EventId, &Arc<Event>) {
    let (id, event) = row.event.as_ref().unwrap_or_else(|why| panic!("a row cannot be read: {why:?}"));
    (*id, event)
}

/// Rows of one run are read in the order in which they were stored, whoever stores them and however they are paged.
pub async fn outbox_order(fixture: impl StoreFixture) {
    const WRITERS: usize = 4;
    const RUNS: usize = 6;
    const VERSIONS: u64 = 8;
    let handles = [fixture.store(), fixture.second().await];
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&handles[writer % 2]);
        writers.spawn(async move {
            let mut runs = Vec::new();
            for number in 0..RUNS {
                runs.push(start(&*store, &format!("order-{writer}-{number}")).await);
            }
            for _ in 1..VERSIONS {
                for run in &mut runs {
                    *run = store_over(&*store, run, &stepped(run, 2)).await;
                }
            }
        });
    }
    writers.join_all().await;
    let rows = outbox_rows(&*handles[1], 7).await;
    assert_eq!(rows.len() as u64, (WRITERS * RUNS) as u64 * VERSIONS);
    assert!(rows.is_sorted_by(|one, next| one.id < next.id), "rows are in the order of their ids");
    let mut versions: HashMap<RunId, Vec<u64>> = HashMap::new();
    for row in &rows {
        let event = read(row).1;
        versions.entry(event.run_id).or_default().push(event.version.unwrap().get());
    }
    let dense: Vec<u64> = (1..=VERSIONS).collect();
    assert!(versions.into_values().all(|versions| versions == dense));
}

/// Pages meet without a gap or an overlap, whatever their size, and the last one says that it is the last.
pub async fn outbox_pages_meet_without_gap(fixture: impl StoreFixture) {
    let store = fixture.store();
    let nothing = store.outbox(None, 10).await.unwrap();
    assert!(nothing.rows.is_empty() && !nothing.more);
    for number in 0..30 {
        start(&*store, &format!("order-{number}")).await;
    }
    let ids = |rows: Vec<StoredOutboxRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let all = ids(outbox_rows(&*store, 1000).await);
    assert_eq!(all.len(), 30);
    for page in [1, 4, 15, 30, 31] {
        assert_eq!(ids(outbox_rows(&*store, page).await), all, "in pages of {page}");
    }
    let first = store.outbox(None, 29).await.unwrap();
    assert!(first.more, "there is one more");
    let rest = store.outbox(Some(&all[28]), 29).await.unwrap();
    assert_eq!((rest.rows.len(), rest.more), (1, false));
}

/// An event is read as it was written, with headers that the engine does not know; a re-emission keeps the event's own
/// id under the new row's.
pub async fn events_keep_every_field(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order ünï-1").await;
    let mut again = Event::clone(&event_of(&run));
    again.set_header(header::ATTEMPT, "2");
    again.set_header("x-tenant", "Zoë");
    let row = EventId::after(run.last_event_id);
    let again = Arc::new(again);
    let mut change = effects_at(&run, Vec::new());
    change.outbox = Some(OutboxRow { id: row, event: Arc::clone(&again) });
    commit_stored(&*store, change).await;
    let rows = outbox_rows(&*store, 10).await;
    assert_eq!(read(&rows[0]), (run.last_event_id.unwrap(), &event_of(&run)));
    let (id, event) = read(&rows[1]);
    assert_eq!((id, event.event_id), (row, run.last_event_id));
    let sorted = |event: &Event| {
        let mut headers = event.headers.clone();
        headers.sort();
        headers
    };
    assert_eq!(sorted(event), sorted(&again));
    assert_eq!(
        Event { headers: Vec::new(), ..(**event).clone() },
        Event { headers: Vec::new(), ..(*again).clone() }
    );
    assert_eq!(rows.iter().map(|row| &*row.workflow_name).collect::<Vec<_>>(), ["orders", "orders"]);
}

/// Rows that cannot be read are given as such, with their bytes and the reason, among the others.
pub async fn an_undecodable_row_is_given_with_the_others(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (first, bad_id) = (start(&*store, "order-1").await, "outbox-id-zzz".to_owned());
    let row = |id: &str, data: Option<&'static [u8]>| Planted {
        id: id.to_owned(),
        workflow_name: "orders".to_owned(),
        data: data.map(Bytes::from_static),
    };
    let undecodable = EventId::after(first.last_event_id).to_string();
    let headless = EventId::after(Some(undecodable.parse().unwrap())).to_string();
    let planted = [
        row(&undecodable, Some(b"\xff\xff\xff")),
        row(&headless, Some(b"")),
        row(&bad_id, Some(b"anything")),
        row("outbox-id-zzzz", None),
    ];
    for row in planted {
        if !fixture.plant(row).await {
            return;
        }
    }
    let last = start(&*store, "order-2").await;
    let rows = outbox_rows(&*store, 2).await;
    assert_eq!(rows.len(), 6);
    let unreadable: Vec<_> = rows.iter().filter(|row| row.event.is_err()).collect();
    let ids: Vec<&str> = unreadable.iter().map(|row| &*row.id).collect();
    assert_eq!(ids, [&undecodable, &headless, &bad_id, "outbox-id-zzzz"]);
    let (reason, data) = unreadable[0].event.as_ref().unwrap_err();
    assert!(!reason.is_empty());
    assert_eq!(data, &Bytes::from_static(b"\xff\xff\xff"));
    let readable: Vec<_> = rows.iter().filter(|row| row.event.is_ok()).map(|row| read(row).0).collect();
    assert_eq!(readable, [first.last_event_id.unwrap(), last.last_event_id.unwrap()]);
    let away = ids.iter().map(|id| Effect::DeleteOutbox((*id).to_owned())).collect();
    commit_stored(&*store, effects(new_run("none").run_id, away)).await;
    assert_eq!(outbox_rows(&*store, 10).await.len(), 2);
}

/// A row is deleted by its text id, whatever it holds; others stay.
pub async fn an_outbox_row_is_deleted_by_its_text(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    store_over(&*store, &run, &stepped(&run, 2)).await;
    let text = run.last_event_id.unwrap().to_string();
    let away = vec![Effect::DeleteOutbox(text.clone()), Effect::DeleteOutbox("outbox-id-nothing".to_owned())];
    commit_stored(&*store, effects(run.run_id, away)).await;
    let left = outbox_rows(&*store, 10).await;
    assert_eq!(left.len(), 1);
    assert_ne!(*left[0].id, text);
}
