//! A streamer that loses and repeats events on demand.

use std::num::NonZeroU32;

use super::Faults;
use crate::adapter::{BackendError, EventStreamer, Publication, Reach, SendOutcome, StartAt};
use crate::{EventId, GroupName, Timestamp, Topic};

/// Any streamer, with [`Faults`].
///
/// ```
/// use workflow_core::memory::InProcessStreamer;
/// use workflow_core::testing::{Faults, FaultyStreamer};
/// let faults = Faults::new();
/// let streamer = FaultyStreamer::new(InProcessStreamer::new(), faults.clone());
/// faults.lose_events(1);
/// # let _ = streamer;
/// ```
#[derive(Clone, Debug)]
pub struct FaultyStreamer<E> {
    inner: E,
    faults: Faults,
}

impl<E> FaultyStreamer<E> {
    /// A streamer that obeys these faults.
    pub fn new(inner: E, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

impl<E: EventStreamer> EventStreamer for FaultyStreamer<E> {
    type Receiver = E::Receiver;

    fn reach(&self) -> Reach {
        self.inner.reach()
    }

    async fn has_settled(
        &self,
        topic: &Topic,
        group: &GroupName,
        until: Timestamp,
    ) -> Result<bool, BackendError> {
        self.inner.has_settled(topic, group, until).await
    }

    async fn partitions(&self, topic: &Topic) -> Result<NonZeroU32, BackendError> {
        self.inner.partitions(topic).await
    }

    async fn open(
        &self,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
    ) -> Result<E::Receiver, BackendError> {
        self.faults.alive()?;
        self.inner.open(topic, group, start).await
    }

    async fn send(&self, batch: Vec<Publication>) -> Result<Vec<SendOutcome>, BackendError> {
        self.faults.alive()?;
        let mut places = Vec::with_capacity(batch.len());
        let mut sent = Vec::with_capacity(batch.len());
        for publication in batch {
            if self.faults.next_event_is_lost() {
                places.push(None);
                continue;
            }
            places.push(Some(sent.len()));
            if self.faults.next_event_is_repeated() {
                // The row of the copy is in no outbox, so its settling deletes nothing.
                sent.push(publication.clone());
                sent.push(Publication { row: EventId::after(Some(publication.row)), ..publication });
            } else {
                sent.push(publication);
            }
        }
        let outcomes = if sent.is_empty() { Vec::new() } else { self.inner.send(sent).await? };
        let outcome_of =
            |place: Option<usize>| place.map_or(SendOutcome::Durable, |place| outcomes[place].clone());
        Ok(places.into_iter().map(outcome_of).collect())
    }

    async fn settled(&self) -> Vec<EventId> {
        self.inner.settled().await
    }

    async fn ready(&self) {
        self.inner.ready().await;
    }
}
