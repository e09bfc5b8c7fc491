//! When an outbox row can go.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use workflow_core::EventId;
use workflow_core::adapter::EventStreamer;

use super::StreamerFixture;
use crate::flow::{
    Settled, events_of_run, events_of_runs, open_all, receive, rows_of, send, send_all, settle,
};
use crate::waiting::{let_others_run, poll_once};

/// A row is named only when every group that reads its topic has settled it. Method: what one group has left unsettled
/// is not named when a later event, which both have settled, is.
pub async fn no_early_forgetting(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let (mut one, mut two) = (open_all(&*streamer, 1, 1).await, open_all(&*streamer, 2, 1).await);
    let settled = Settled::of(&streamer);
    let (events, later) = (events_of_runs(10, 3), events_of_runs(5, 1));
    if !send_all(&*streamer, &[events.clone(), later.clone()].concat()).await {
        return;
    }
    let (all, last) = (rows_of(&events), rows_of(&later));
    let both: BTreeSet<EventId> = all.union(&last).copied().collect();
    let of_one = receive(&mut one, &both).await;
    settle(&mut one, &of_one, 1).await;
    let of_two = receive(&mut two, &both).await;
    let is_last = |row| last.contains(&row);
    let (early, late): (Vec<_>, Vec<_>) =
        of_two.into_iter().partition(|delivery| !is_last(crate::flow::row_of(&delivery.event)));
    settle(&mut two, &late, 1).await;
    settled.all_of(&last).await;
    assert!(
        settled.rows().iter().all(|row| is_last(*row)),
        "a row was forgotten that a group had not settled"
    );
    settle(&mut two, &early, 1).await;
    settled.all_of(&both).await;
    assert_eq!(settled.rows().len(), both.len(), "each row is named once");
}

/// A group that comes late is given what others have not settled, and never names a row a second time. Method: the first
/// group has settled its second event and not its first when another one opens the topic.
pub async fn a_late_group_brings_nothing_back(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let mut one = open_all(&*streamer, 1, 1).await;
    let settled = Settled::of(&streamer);
    let events = events_of_run(1, 4);
    if !send_all(&*streamer, &events).await {
        return;
    }
    let of_one = receive(&mut one, &rows_of(&events)).await;
    settle(&mut one, &of_one[1..3], 1).await;
    settled.all_of(&rows_of(&events[1..3])).await;
    let mut two = open_all(&*streamer, 2, 1).await;
    let open_ones = rows_of(&[Arc::clone(&events[0]), Arc::clone(&events[3])]);
    let of_two = receive(&mut two, &open_ones).await;
    settle(&mut two, &of_two, 1).await;
    settle(&mut one, &of_one, 1).await;
    settled.all_of(&rows_of(&events)).await;
    let more = events_of_run(2, 1);
    send_all(&*streamer, &more).await;
    for receiver in [&mut one, &mut two] {
        let delivered = receive(receiver, &rows_of(&more)).await;
        settle(receiver, &delivered, 1).await;
    }
    settled.all_of(&rows_of(&more)).await;
    assert_eq!(settled.rows().len(), events.len() + 1, "each row is named once");
}

/// When all readers of a topic have gone, what they had not settled is theirs again when they come back: rows that are
/// still held are published again, as they are from the outbox.
pub async fn readers_that_come_back_miss_nothing(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let settled = Settled::of(&streamer);
    let mut one = open_all(&*streamer, 1, 1).await;
    let events = events_of_runs(6, 5);
    let held = send_all(&*streamer, &events).await;
    let delivered = receive(&mut one, &rows_of(&events)).await;
    settle(&mut one, &delivered[..10], 1).await;
    let done: BTreeSet<EventId> =
        delivered[..10].iter().map(|delivery| crate::flow::row_of(&delivery.event)).collect();
    if held {
        settled.all_of(&done).await;
    }
    drop(one);
    let away = events_of_runs(2, 2);
    let held_away = send_all(&*streamer, &away).await;
    let mut one = open_all(&*streamer, 1, 2).await;
    let left: Vec<_> = [events, away]
        .concat()
        .into_iter()
        .filter(|event| !done.contains(&crate::flow::row_of(event)))
        .collect();
    if held || held_away {
        send_all(&*streamer, &left).await;
    }
    let rest = receive(&mut one, &rows_of(&left)).await;
    settle(&mut one, &rest, 2).await;
    if held {
        settled.all_of(&rows_of(&left)).await;
    }
}

/// Dropping the future of `send` or `settled`, polled or not, loses nothing.
pub async fn cancellation(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let mut one = open_all(&*streamer, 1, 1).await;
    let events = events_of_runs(20, 10);
    for (at, batch) in events.chunks(9).enumerate() {
        if at % 2 == 0 {
            // Whoever gave up sends the same again: the row is still in the outbox.
            poll_once(pin!(send(&*streamer, batch)).as_mut()).await;
        }
        send_all(&*streamer, batch).await;
    }
    let held = send_all(&*streamer, &events[..1]).await;
    let delivered = receive(&mut one, &rows_of(&events)).await;
    let mut named = BTreeSet::new();
    for part in delivered.chunks(7) {
        drop(streamer.settled());
        named.extend(poll_once(pin!(streamer.settled()).as_mut()).await.into_iter().flatten());
        settle(&mut one, part, 1).await;
        let_others_run().await;
    }
    let rest = Settled::of(&streamer);
    if held {
        let missing = rows_of(&events).difference(&named).copied().collect();
        rest.all_of(&missing).await;
    }
}
