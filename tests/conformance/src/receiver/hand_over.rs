//! From one owner to the next.

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;

use tokio::select;
use workflow_core::adapter::{Delivery, EventReceiver, EventStreamer, Generation, SendOutcome};
use workflow_core::{Event, EventId, RunId};

use super::StreamerFixture;
use crate::flow::{
    Receiver, Settled, all_partitions, events_of_runs, open_all, receive, row_of, rows_of, send, send_all,
    settle,
};
use crate::waiting::{let_others_run, poll_once};

/// After `release`, what was delivered and not settled is delivered to the next owner, and nothing to the one before.
pub async fn released(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let events = events_of_runs(20, 2);
    let mut one = open_all(&*streamer, 1, 1).await;
    send_all(&*streamer, &events).await;
    let delivered = receive(&mut one, &rows_of(&events)).await;
    settle(&mut one, &delivered[..15], 1).await;
    one.release().await.unwrap();
    settle(&mut one, &delivered[15..], 1).await;
    let mut two = open_all(&*streamer, 1, 2).await;
    let left: BTreeSet<EventId> = delivered[15..].iter().map(|delivery| row_of(&delivery.event)).collect();
    receive(&mut two, &left).await;
    let late = events_of_runs(10, 1);
    let late_rows = rows_of(&late);
    send_all(&*streamer, &late).await;
    select! {
        biased;
        batch = one.next_batch(8) => panic!("delivered after release: {batch:?}"),
        _ = receive(&mut two, &late_rows) => {}
    }
    one.assign(all_partitions(&*streamer).await, Generation(3)).await.unwrap();
    receive(&mut one, &left).await;
}

/// A receiver that is dropped without a word leaves what it had not settled to the next one of its group.
pub async fn a_dropped_receiver_leaves_its_events(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let events = events_of_runs(20, 2);
    let mut one = open_all(&*streamer, 1, 1).await;
    let mut two = crate::flow::open(&*streamer, 1).await;
    send_all(&*streamer, &events).await;
    let delivered = receive(&mut one, &rows_of(&events)).await;
    settle(&mut one, &delivered[..7], 1).await;
    drop(one);
    two.assign(all_partitions(&*streamer).await, Generation(2)).await.unwrap();
    receive(&mut two, &delivered[7..].iter().map(|delivery| row_of(&delivery.event)).collect()).await;
}

/// Dropping the future of `next_batch` loses no event and turns none round, whether it was waiting when an event came or
/// not. Method: an event is sent while a future waits; two of three futures are then dropped without another look.
pub async fn cancellation(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let events = events_of_runs(20, 20);
    let mut receiver = open_all(&*streamer, 1, 1).await;
    let (mut deliveries, mut dropped) = (Vec::new(), 0);
    for (at, event) in events.iter().enumerate() {
        let mut waiting = pin!(receiver.next_batch(3));
        let mut batch = poll_once(waiting.as_mut()).await;
        let is_over = batch.is_some();
        send_all(&*streamer, std::slice::from_ref(event)).await;
        if at % 3 == 0 && !is_over {
            let_others_run().await;
            batch = poll_once(waiting.as_mut()).await;
        }
        dropped += usize::from(batch.is_none());
        deliveries.extend(batch.into_iter().flat_map(Result::unwrap));
    }
    assert!(dropped > 0, "some futures were dropped while they waited");
    let seen: BTreeSet<EventId> = deliveries.iter().map(|delivery| row_of(&delivery.event)).collect();
    let missing = rows_of(&events).difference(&seen).copied().collect();
    deliveries.extend(receive(&mut receiver, &missing).await);
    assert_first_in_order(&deliveries);
}

/// The first delivery of each event of a run comes after those of the events before it.
fn assert_first_in_order(deliveries: &[Delivery]) {
    let mut last: HashMap<RunId, u64> = HashMap::new();
    for delivery in deliveries {
        let (run_id, version) = (delivery.event.run_id, delivery.event.version.unwrap().get());
        let before = last.entry(run_id).or_insert(1);
        assert!(
            version <= *before + 1,
            "run {run_id}: version {version} came before version {}",
            *before + 1
        );
        *before = version.max(*before);
    }
}

/// Publishes everything, and waits where the stream is full; tells whether rows are held.
async fn publish(streamer: &impl EventStreamer, events: &[Arc<Event>]) -> bool {
    let (mut sent, mut held) = (0, false);
    while sent < events.len() {
        let end = events.len().min(sent + 50);
        let outcomes = send(streamer, &events[sent..end]).await;
        sent += outcomes.iter().filter(|outcome| **outcome != SendOutcome::Full).count();
        held |= outcomes.contains(&SendOutcome::Held);
        if outcomes.contains(&SendOutcome::Full) {
            streamer.ready().await;
        }
        tokio::task::yield_now().await;
    }
    held
}

/// What one owner in its time: takes some batches, settles a part of them out of order, and goes, with or without
/// releasing. Gives what it was delivered.
async fn stint<F: StreamerFixture>(receiver: &mut Receiver<F>, owner: u64) -> Vec<Delivery> {
    let mut all = Vec::new();
    for round in 0..=owner % 4 {
        let mut batch = select! {
            batch = receiver.next_batch(40) => batch.unwrap(),
            // The last owners find nothing any more.
            () = let_others_run() => break,
        };
        all.extend(batch.clone());
        batch.reverse();
        let settled = batch.len() * usize::try_from((owner + round) % 3).unwrap() / 2;
        settle(receiver, &batch[..settled], owner).await;
    }
    all
}

/// Roles are handed over while events come: every event is delivered at least once, those of one run in order, and in
/// the end every row can go.
pub async fn hand_over_under_load_loses_nothing<F: StreamerFixture>(fixture: F) {
    let streamer = fixture.streamer();
    let settled = Settled::of(&streamer);
    let events = events_of_runs(50, 40);
    let mut receiver = open_all(&*streamer, 1, 1).await;
    let publishing = {
        let (streamer, events) = (Arc::clone(&streamer), events.clone());
        tokio::spawn(async move { publish(&*streamer, &events).await })
    };
    let (mut deliveries, mut owner) = (Vec::new(), 1);
    while !publishing.is_finished() || owner < 60 {
        deliveries.extend(stint::<F>(&mut receiver, owner).await);
        owner += 1;
        if owner % 3 == 0 {
            receiver.release().await.unwrap();
        }
        let next = open_all(&*streamer, 1, owner).await;
        receiver = next;
    }
    let publishing_held = publishing.await.unwrap();
    let seen: BTreeSet<EventId> = deliveries.iter().map(|delivery| row_of(&delivery.event)).collect();
    let missing: BTreeSet<EventId> = rows_of(&events).difference(&seen).copied().collect();
    deliveries.extend(receive(&mut receiver, &missing).await);
    assert_first_in_order(&deliveries);
    if publishing_held {
        owner += 1;
        receiver.assign(all_partitions(&*streamer).await, Generation(owner)).await.unwrap();
        settle_the_rest::<F>(&mut receiver, owner, &settled, &rows_of(&events)).await;
    }
}

/// Settles whatever still comes until every row can go.
async fn settle_the_rest<F: StreamerFixture>(
    receiver: &mut Receiver<F>,
    owner: u64,
    settled: &Settled,
    rows: &BTreeSet<EventId>,
) {
    let named = || settled.rows().into_iter().collect::<BTreeSet<EventId>>();
    while !rows.is_subset(&named()) {
        let batch = select! {
            batch = receiver.next_batch(40) => batch.unwrap(),
            () = let_others_run() => break,
        };
        settle(receiver, &batch, owner).await;
    }
    settled.all_of(rows).await;
}
