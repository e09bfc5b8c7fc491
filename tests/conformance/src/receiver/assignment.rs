//! Partitions, batches and what is settled.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::select;
use workflow_core::EventId;
use workflow_core::adapter::{Delivery, EventReceiver, Generation};

use super::StreamerFixture;
use crate::flow::{
    all_partitions, events_of_run, events_of_runs, open, open_all, receive, row_of, rows_of, send_all,
    settle, versions_of,
};
use crate::waiting::let_others_run;

fn rows(deliveries: &[Delivery]) -> BTreeSet<EventId> {
    deliveries.iter().map(|delivery| row_of(&delivery.event)).collect()
}

/// Receivers of one group are given the events of their own partitions, and together all.
pub async fn only_assigned(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let partitions = all_partitions(&*streamer).await;
    let (odd, even): (Vec<u32>, Vec<u32>) = partitions.into_iter().partition(|number| number % 2 == 1);
    let (mut one, mut two) = (open(&*streamer, 1).await, open(&*streamer, 1).await);
    one.assign(odd.clone(), Generation(1)).await.unwrap();
    two.assign(even.clone(), Generation(1)).await.unwrap();
    let events = events_of_runs(60, 2);
    send_all(&*streamer, &events).await;
    let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
    while of_one.len() + of_two.len() < events.len() {
        select! {
            batch = one.next_batch(8) => of_one.extend(batch.unwrap()),
            batch = two.next_batch(8) => of_two.extend(batch.unwrap()),
        }
    }
    assert!(of_one.iter().all(|delivery| odd.contains(&delivery.position.partition)));
    assert!(of_two.iter().all(|delivery| even.contains(&delivery.position.partition)));
    assert_eq!(rows(&[of_one, of_two].concat()), rows_of(&events));
}

/// Nothing is delivered before partitions are assigned.
pub async fn nothing_comes_before_assign(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let mut receiver = open(&*streamer, 1).await;
    let events = events_of_runs(10, 1);
    send_all(&*streamer, &events).await;
    select! {
        biased;
        batch = receiver.next_batch(8) => panic!("delivered without an assignment: {batch:?}"),
        () = let_others_run() => {}
    }
    receiver.assign(all_partitions(&*streamer).await, Generation(1)).await.unwrap();
    receive(&mut receiver, &rows_of(&events)).await;
}

/// A new assignment takes the place of the one before.
pub async fn an_assignment_replaces_the_one_before(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let partitions = all_partitions(&*streamer).await;
    let (first, second) = partitions.split_at(partitions.len() / 2);
    let mut receiver = open(&*streamer, 1).await;
    receiver.assign(first.to_vec(), Generation(1)).await.unwrap();
    let events = events_of_runs(60, 1);
    send_all(&*streamer, &events).await;
    let batch = receiver.next_batch(3).await.unwrap();
    assert!(batch.iter().all(|delivery| first.contains(&delivery.position.partition)));
    receiver.assign(second.to_vec(), Generation(2)).await.unwrap();
    let mut other = open(&*streamer, 1).await;
    other.assign(first.to_vec(), Generation(2)).await.unwrap();
    let mut of_both = Vec::new();
    while rows(&of_both).len() < events.len() {
        select! {
            batch = receiver.next_batch(8) => {
                let batch = batch.unwrap();
                assert!(batch.iter().all(|delivery| second.contains(&delivery.position.partition)));
                of_both.extend(batch);
            }
            batch = other.next_batch(8) => of_both.extend(batch.unwrap()),
        }
    }
}

/// A batch has at least one event and at most as many as were asked for.
pub async fn a_batch_is_as_large_as_asked_at_most(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let mut receiver = open_all(&*streamer, 1, 1).await;
    let events = events_of_runs(30, 3);
    send_all(&*streamer, &events).await;
    let mut left = events.len();
    for max in [1, 2, 7, 31, 1000].into_iter().cycle() {
        if left == 0 {
            break;
        }
        let batch = receiver.next_batch(max).await.unwrap();
        assert!((1..=max).contains(&batch.len()), "{} events, {max} were asked for", batch.len());
        left -= batch.len();
    }
}

/// Events may be settled in any order; a take-over starts at the oldest one that is not settled and leaves none out.
pub async fn out_of_order(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let events = events_of_run(1, 20);
    let mut receiver = open_all(&*streamer, 1, 1).await;
    send_all(&*streamer, &events).await;
    let mut delivered = receive(&mut receiver, &rows_of(&events)).await;
    let unsettled = [3, 7, 12, 19];
    let mut done: Vec<_> = delivered
        .iter()
        .enumerate()
        .filter(|(at, _)| !unsettled.contains(at))
        .map(|(_, each)| each.clone())
        .collect();
    done.reverse();
    settle(&mut receiver, &done[5..], 1).await;
    settle(&mut receiver, &done[..5], 1).await;
    settle(&mut receiver, &done[2..6], 1).await;
    let expected: Vec<_> = unsettled.iter().map(|at| Arc::clone(&events[*at])).collect();
    let mut next = open_all(&*streamer, 1, 2).await;
    drop(receiver);
    delivered = receive(&mut next, &rows_of(&expected)).await;
    assert_eq!(
        row_of(&delivered[0].event),
        row_of(&expected[0]),
        "it starts at the oldest that is not settled"
    );
    let wanted = rows_of(&expected);
    delivered.retain(|delivery| wanted.contains(&row_of(&delivery.event)));
    let versions: Vec<u64> = unsettled.iter().map(|at| *at as u64 + 2).collect();
    assert_eq!(versions_of(&delivered, events[0].run_id), versions);
}

/// What is settled under an older generation changes nothing: it is delivered again.
pub async fn stale_generation(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let events = events_of_runs(10, 2);
    let mut receiver = open_all(&*streamer, 1, 1).await;
    send_all(&*streamer, &events).await;
    let old = receive(&mut receiver, &rows_of(&events)).await;
    receiver.assign(all_partitions(&*streamer).await, Generation(2)).await.unwrap();
    settle(&mut receiver, &old, 1).await;
    receiver.assign(all_partitions(&*streamer).await, Generation(3)).await.unwrap();
    let again = receive(&mut receiver, &rows_of(&events)).await;
    settle(&mut receiver, &old, 2).await;
    settle(&mut receiver, &again[..5], 3).await;
    receiver.assign(all_partitions(&*streamer).await, Generation(4)).await.unwrap();
    let left = rows(&again[5..]);
    let rest = receive(&mut receiver, &left).await;
    assert!(rows(&rest).is_superset(&left));
}

/// Groups have places of their own: what one has settled, the other still gets.
pub async fn groups_settle_apart(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let events = events_of_runs(20, 3);
    let mut receivers = Vec::new();
    for code in 1..=5 {
        receivers.push(open_all(&*streamer, code, 1).await);
    }
    send_all(&*streamer, &events).await;
    for receiver in &mut receivers {
        let delivered = receive(receiver, &rows_of(&events)).await;
        for event in &events[..20] {
            assert_eq!(versions_of(&delivered, event.run_id), [2, 3, 4]);
        }
        settle(receiver, &delivered, 1).await;
    }
}
