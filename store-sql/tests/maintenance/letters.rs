//! Dead letters: listed, put back, thrown away.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use store_sql::maintenance::{Discarded, LetterQuery, Requeued};
use workflow_conformance::samples::{
    ack_all, completed, dead_letter, event_of, new_run_of, outbox_rows, start, start_as, store_over,
    take_effect, workflow,
};
use workflow_core::adapter::{DeadLetter, Effect, Store};
use workflow_core::{EventId, Record, encode_outbox};

use crate::place::Place;

/// Sets the event of a run aside.
async fn set_aside(store: &impl Store, run: &Record, id: &str) -> DeadLetter {
    let data = Bytes::from(encode_outbox(&event_of(run)));
    let letter = DeadLetter { data, ..dead_letter(run, id) };
    take_effect(store, run, vec![Effect::PutDeadLetter(letter.clone())]).await;
    letter
}

fn ids(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| &*letter.id).collect()
}

pub(crate) async fn letters_are_read_in_pages(place: Place, store: impl Store) {
    let run = start(&store, "order-1").await;
    let other = start_as(&store, &new_run_of(workflow("refunds"), "refund-1")).await;
    for id in ["c", "a"] {
        set_aside(&store, &run, id).await;
        place.pass(Duration::from_secs(1)).await;
    }
    set_aside(&store, &other, "z").await;
    set_aside(&store, &run, "b").await;
    let maintenance = place.maintenance();
    let mut query = LetterQuery { limit: 3, ..LetterQuery::default() };
    let first = maintenance.dead_letters(&query).await.unwrap();
    assert_eq!(ids(&first.letters), ["c", "a", "b"], "the oldest first, then by id");
    query.after = first.next;
    let second = maintenance.dead_letters(&query).await.unwrap();
    assert_eq!((ids(&second.letters), second.next), (vec!["z"], None));
    let of_refunds = LetterQuery { workflow_name: Some(workflow("refunds")), ..LetterQuery::default() };
    assert_eq!(ids(&maintenance.dead_letters(&of_refunds).await.unwrap().letters), ["z"]);
    let of_run = LetterQuery { run_id: Some(run.run_id), ..LetterQuery::default() };
    assert_eq!(ids(&maintenance.dead_letters(&of_run).await.unwrap().letters), ["c", "a", "b"]);
}

pub(crate) async fn a_letter_goes_back_once_with_the_same_event(place: Place, store: impl Store) {
    let run = start(&store, "order-1").await;
    let letter = set_aside(&store, &run, "orders-1-consumer/x").await;
    // The run has gone on; its own last event sorts after that of the letter.
    let done = store_over(&store, &run, &completed(&run)).await;
    ack_all(&store).await;
    let maintenance = place.maintenance();
    let Requeued::Done { row, run_id } = maintenance.requeue(&letter.id).await.unwrap() else {
        panic!("it was to be put back")
    };
    assert_eq!(run_id, run.run_id);
    let rows = outbox_rows(&store, 10).await;
    assert_eq!(rows.len(), 1);
    let (id, event) = rows[0].event.as_ref().unwrap();
    assert_eq!((*id, &*rows[0].workflow_name), (row, "orders"));
    assert_eq!(encode_outbox(event), letter.data, "the content is the same");
    assert_eq!(event.event_id, run.last_event_id);
    assert!(Some(row) > done.last_event_id && Some(row) != event.event_id, "the row is new");
    let columns = format!(
        "select count(*) from workflow_outbox where run_id = '{run_id}' and record_version = 1 and bucket = {}",
        run_id.bucket()
    );
    assert_eq!(place.number(&columns).await, 1);
    assert_eq!(maintenance.requeue(&letter.id).await.unwrap(), Requeued::Missing);
    assert_eq!(outbox_rows(&store, 10).await.len(), 1, "it is there once");
    assert_eq!(maintenance.outbox_status().await.unwrap().dead_letters, 0);
}

pub(crate) async fn a_letter_that_is_no_event_stays(place: Place, store: impl Store) {
    let run = start(&store, "order-1").await;
    ack_all(&store).await;
    take_effect(&store, &run, vec![Effect::PutDeadLetter(dead_letter(&run, "garbage"))]).await;
    let Requeued::NoEvent { reason } = place.maintenance().requeue("garbage").await.unwrap() else {
        panic!("garbage is no event")
    };
    assert!(reason.contains("not an outbox record"), "{reason}");
    assert!(outbox_rows(&store, 10).await.is_empty());
    assert_eq!(ids(&store.dead_letters(9).await.unwrap()), ["garbage"]);
}

pub(crate) async fn a_letter_that_is_thrown_away_is_gone(place: Place, store: impl Store) {
    let run = start(&store, "order-1").await;
    for id in ["kept", "it's; -- gone"] {
        set_aside(&store, &run, id).await;
    }
    let maintenance = place.maintenance();
    assert_eq!(maintenance.discard("it's; -- gone").await.unwrap(), Discarded::Done);
    assert_eq!(maintenance.discard("it's; -- gone").await.unwrap(), Discarded::Missing);
    let id: Arc<str> = EventId::after(None).to_string().into();
    assert_eq!(maintenance.discard(&id).await.unwrap(), Discarded::Missing);
    assert_eq!(ids(&store.dead_letters(9).await.unwrap()), ["kept"]);
}
