//! A stream that is full.

use std::sync::Arc;

use workflow_core::Topic;
use workflow_core::adapter::{EventStreamer, SendOutcome};

use super::StreamerFixture;
use crate::flow::{events_of_runs, open_all, receive, rows_of, send, settle, versions_of};
use crate::samples::{orders, status};
use crate::waiting::let_others_run;

/// The bound of the streams of these tests.
const BOUND: usize = 20;

/// Once a send has answered that the stream is full, it answers so for all that follows in the same call, whatever the
/// topic: no later event of a run overtakes an earlier one.
pub async fn refused_together<F: StreamerFixture>(fixture: F) {
    drop(fixture);
    let Some(fixture) = F::bounded(BOUND).await else { return };
    let streamer = fixture.streamer();
    let _reads = open_all(&*streamer, 1, 1).await;
    let mut events = events_of_runs(10, 6);
    let unread = Topic::of_status(&orders(), status(7));
    for event in events[50..].iter_mut() {
        Arc::make_mut(event).topic = unread.clone();
    }
    let outcomes = send(&*streamer, &events).await;
    let taken = outcomes.iter().position(|outcome| *outcome == SendOutcome::Full).unwrap();
    assert_eq!(taken, BOUND);
    assert!(outcomes[taken..].iter().all(|outcome| *outcome == SendOutcome::Full), "{outcomes:?}");
    assert_eq!(send(&*streamer, &events[taken..=taken]).await, [SendOutcome::Full]);
}

/// `ready` waits while the stream is full, and ends when enough is settled; what was refused is then taken, and arrives
/// in order after what was taken before.
pub async fn a_full_stream_takes_events_again<F: StreamerFixture>(fixture: F) {
    drop(fixture);
    let Some(fixture) = F::bounded(BOUND).await else { return };
    let streamer = fixture.streamer();
    let mut receiver = open_all(&*streamer, 1, 1).await;
    let events = events_of_runs(10, 8);
    let (mut sent, mut all) = (0, Vec::new());
    while sent < events.len() {
        let outcomes = send(&*streamer, &events[sent..]).await;
        let taken = outcomes.iter().filter(|outcome| **outcome != SendOutcome::Full).count();
        assert!(taken > 0, "a stream that is ready takes something");
        let full = sent + taken < events.len();
        let waiting = {
            let streamer = Arc::clone(&streamer);
            tokio::spawn(async move { streamer.ready().await })
        };
        let_others_run().await;
        assert!(!(full && waiting.is_finished()), "the stream is full and says that it is ready");
        let delivered = receive(&mut receiver, &rows_of(&events[sent..sent + taken])).await;
        settle(&mut receiver, &delivered, 1).await;
        waiting.await.unwrap();
        all.extend(delivered);
        sent += taken;
    }
    for event in &events[..10] {
        assert_eq!(versions_of(&all, event.run_id), (2..10).collect::<Vec<_>>());
    }
}

/// Events of a topic that nobody reads take no room.
pub async fn what_nobody_reads_fills_no_stream<F: StreamerFixture>(fixture: F) {
    drop(fixture);
    let Some(fixture) = F::bounded(BOUND).await else { return };
    let streamer = fixture.streamer();
    for _ in 0..5 {
        let outcomes = send(&*streamer, &events_of_runs(10, 2)).await;
        assert!(!outcomes.contains(&SendOutcome::Full), "{outcomes:?}");
    }
    streamer.ready().await;
}
