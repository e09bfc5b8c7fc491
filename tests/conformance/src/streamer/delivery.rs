//! Who is given which events, and in which order.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use workflow_core::adapter::{EventReceiver, EventStreamer, Generation, StartAt};
use workflow_core::{Event, RunId, Topic};

use super::StreamerFixture;
use crate::flow::{
    all_partitions, events_of_runs, group, open_all, receive, row_of, rows_of, send_all, settle, topic,
    versions_of,
};
use crate::samples::{orders, status};

/// Events of one run go to one partition, and are delivered in the order in which they were sent.
pub async fn order(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let events = events_of_runs(40, 25);
    let mut receiver = open_all(&*streamer, 2, 1).await;
    let sending = {
        let (streamer, events) = (Arc::clone(&streamer), events.clone());
        tokio::spawn(async move {
            for batch in events.chunks(37) {
                send_all(&*streamer, batch).await;
                tokio::task::yield_now().await;
            }
        })
    };
    let deliveries = receive(&mut receiver, &rows_of(&events)).await;
    sending.await.unwrap();
    let runs: BTreeSet<RunId> = events.iter().map(|event| event.run_id).collect();
    let mut partitions: HashMap<RunId, u32> = HashMap::new();
    for delivery in &deliveries {
        let partition = delivery.position.partition;
        assert_eq!(*partitions.entry(delivery.event.run_id).or_insert(partition), partition);
    }
    for run_id in runs {
        assert_eq!(versions_of(&deliveries, run_id), (2..27).collect::<Vec<_>>());
    }
    let sent: HashMap<_, &Arc<Event>> = events.iter().map(|event| (row_of(event), event)).collect();
    assert!(deliveries.iter().all(|delivery| *sent[&row_of(&delivery.event)] == delivery.event));
    assert!(partitions.values().collect::<BTreeSet<_>>().len() > 1, "forty runs are spread over partitions");
}

/// Every group that has opened a topic is given every event, again and again until it has settled it.
pub async fn at_least_once(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let (mut one, mut two) = (open_all(&*streamer, 1, 1).await, open_all(&*streamer, 2, 1).await);
    let events = events_of_runs(10, 4);
    send_all(&*streamer, &events).await;
    let all = rows_of(&events);
    let first = receive(&mut one, &all).await;
    settle(&mut one, &first, 1).await;
    receive(&mut two, &all).await;
    two.assign(all_partitions(&*streamer).await, Generation(2)).await.unwrap();
    let again = receive(&mut two, &all).await;
    settle(&mut two, &again, 2).await;
    for (receiver, generation) in [(&mut one, 2), (&mut two, 3)] {
        receiver.assign(all_partitions(&*streamer).await, Generation(generation)).await.unwrap();
        let late = events_of_runs(3, 1);
        send_all(&*streamer, &late).await;
        let delivered = receive(receiver, &rows_of(&late)).await;
        let of_the_first = delivered.iter().filter(|delivery| all.contains(&row_of(&delivery.event))).count();
        assert_eq!(of_the_first, 0, "what a group has settled is not delivered to it again");
        settle(receiver, &delivered, generation).await;
    }
}

/// A topic has at least one partition, and as many each time one asks.
pub async fn topics_have_partitions(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let partitions = streamer.partitions(&topic()).await.unwrap();
    assert_eq!(streamer.partitions(&topic()).await.unwrap(), partitions);
}

/// A reader is given the events of its own topic.
pub async fn topics_are_read_apart(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let other_topic = Topic::of_status(&orders(), status(3));
    let mut own = open_all(&*streamer, 2, 1).await;
    let mut other = streamer.open(&other_topic, &group(2), StartAt::Earliest).await.unwrap();
    let partitions = (0..streamer.partitions(&other_topic).await.unwrap().get()).collect();
    other.assign(partitions, Generation(1)).await.unwrap();
    let mut events = events_of_runs(8, 4);
    for event in events.iter_mut().step_by(3) {
        Arc::make_mut(event).topic = other_topic.clone();
    }
    send_all(&*streamer, &events).await;
    let (theirs, ours): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.topic == other_topic);
    let got = |deliveries: Vec<workflow_core::adapter::Delivery>| -> BTreeSet<_> {
        deliveries.iter().map(|delivery| row_of(&delivery.event)).collect()
    };
    assert_eq!(got(receive(&mut own, &rows_of(&ours)).await), rows_of(&ours));
    assert_eq!(got(receive(&mut other, &rows_of(&theirs)).await), rows_of(&theirs));
}

/// A new group starts with the oldest event that is kept, or with the next one, as it asks.
pub async fn a_new_group_starts_where_it_asks(fixture: impl StreamerFixture) {
    let streamer = fixture.streamer();
    let _keeps = open_all(&*streamer, 1, 1).await;
    let (early, late) = (events_of_runs(12, 2), events_of_runs(12, 2));
    send_all(&*streamer, &early).await;
    let mut oldest = open_all(&*streamer, 2, 1).await;
    let mut newest = streamer.open(&topic(), &group(3), StartAt::Latest).await.unwrap();
    newest.assign(all_partitions(&*streamer).await, Generation(1)).await.unwrap();
    send_all(&*streamer, &late).await;
    receive(&mut oldest, &rows_of(&[early.clone(), late.clone()].concat())).await;
    let new = receive(&mut newest, &rows_of(&late)).await;
    assert!(new.iter().all(|delivery| rows_of(&late).contains(&row_of(&delivery.event))));
}
