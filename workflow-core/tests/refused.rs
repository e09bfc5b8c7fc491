//! An event that the stream will never take holds up no other.
#![allow(missing_docs, clippy::unwrap_used)]

use std::num::NonZeroU32;
use std::sync::Arc;

use workflow_core::adapter::{
    Backend, BackendError, EventStreamer, Publication, SendOutcome, StartAt, Store, SystemClock,
};
use workflow_core::memory::{InProcessReceiver, InProcessScheduler, InProcessStreamer, MemoryStore};
use workflow_core::{EventId, GroupName, Run, RunState, Topic, Workflow, decode_outbox};
use workflow_derive::Status;

#[derive(Status, Clone, Copy, Debug, PartialEq)]
#[status(crate = workflow_core)]
enum Parcel {
    Packed = 1,
    Sent = 2,
}

async fn send(_: &mut Run<(), Parcel>) -> Parcel {
    Parcel::Sent
}

/// Refuses the events of one business key.
struct Picky(InProcessStreamer);

impl EventStreamer for Picky {
    type Receiver = InProcessReceiver;

    async fn partitions(&self, topic: &Topic) -> Result<NonZeroU32, BackendError> {
        self.0.partitions(topic).await
    }

    async fn open(
        &self,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
    ) -> Result<Self::Receiver, BackendError> {
        self.0.open(topic, group, start).await
    }

    async fn send(&self, batch: Vec<Publication>) -> Result<Vec<SendOutcome>, BackendError> {
        let mut outcomes = Vec::new();
        for publication in batch {
            if publication.event.foreign_id.as_str() == "too large" {
                outcomes.push(SendOutcome::Refused("it has too many bytes".into()));
            } else {
                outcomes.extend(self.0.send(vec![publication]).await?);
            }
        }
        Ok(outcomes)
    }

    async fn settled(&self) -> Vec<EventId> {
        self.0.settled().await
    }

    async fn ready(&self) {
        self.0.ready().await;
    }
}

#[tokio::test]
async fn an_event_that_the_stream_refuses_is_set_aside_and_the_rest_go_on() {
    let store = MemoryStore::new(Arc::new(SystemClock::new()));
    let backend = Backend::new(store.clone(), Picky(InProcessStreamer::new()), InProcessScheduler::new());
    let parcels = Workflow::builder("parcels").step(Parcel::Packed, send, [Parcel::Sent]).build().unwrap();
    let running = parcels.run(backend).await.unwrap();
    let refused = running.trigger("too large", ()).await.unwrap();
    let taken = running.trigger("small", ()).await.unwrap();
    assert_eq!(running.wait_for(&taken).finished().await.unwrap().run_state(), RunState::Completed);
    let letter = loop {
        if let Some(letter) = store.dead_letters(10).await.unwrap().pop() {
            break letter;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((letter.run_id, &*letter.process), (Some(refused), "outbox"));
    assert_eq!(&*letter.reason, "the stream refused it: it has too many bytes");
    assert_eq!(decode_outbox(&letter.data).unwrap().foreign_id.as_str(), "too large");
    let rows = store.outbox(None, 10).await.unwrap().rows;
    assert!(rows.iter().all(|row| *row.id != *letter.id.trim_start_matches("outbox/")), "its row is gone");
    running.shutdown(std::time::Duration::ZERO).await;
}
