//! Topics, groups and partitions.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;

use super::{BackendError, Reach};
use crate::{Event, EventId, GroupName, Headers, Record, Timestamp, Topic};

/// Rises with each assignment of partitions; what was settled under an older one is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// A place in a topic: the offset of one event in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// The event's offset in it.
    pub offset: u64,
}

/// Where a group without a committed position starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest event that is kept.
    #[default]
    Earliest,
    /// With the next event.
    Latest,
}

/// An event to publish.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The outbox row that it comes from.
    pub row: EventId,
    /// The event.
    pub event: Arc<Event>,
    /// The record that the event was stored with, if it is at hand; it saves a consumer in this process a read.
    pub record: Option<Arc<Record>>,
    /// When it was stored, or read from the outbox.
    pub at: Timestamp,
}

/// What became of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The stream keeps it durably: the outbox row can go.
    Durable,
    /// The stream has it, but the outbox row must stay until [`EventStreamer::settled`] names it.
    Held,
    /// The stream cannot take it now; publish it, and what follows it, later.
    Full,
    /// The stream will never take this one, for its own sake: it is set aside with this reason, and the rest go on.
    Refused(Arc<str>),
}

/// An event as a receiver gets it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where it stands.
    pub position: Position,
    /// The event.
    pub event: Arc<Event>,
    /// The record that it was stored with, if the publisher was in this process. It may be out of date.
    pub record: Option<Arc<Record>>,
    /// When it was stored, as far as the stream knows.
    pub at: Timestamp,
}

/// A message on a topic that is not an event: a stranger wrote it. The engine keeps it as a dead letter, then settles it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it stands.
    pub position: Position,
    /// The topic.
    pub topic: Topic,
    /// What is wrong with it.
    pub reason: Arc<str>,
    /// Its first [`Unreadable::DATA_BYTES_MAX`] bytes.
    pub data: Bytes,
}

impl Unreadable {
    /// How much of a message is kept: enough to see who wrote it.
    pub const DATA_BYTES_MAX: usize = 1024;
}

/// An event of a foreign source, as a connector gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorEvent {
    /// The source's own id of it; the connector's function is told it, to make its calls idempotent.
    pub id: String,
    /// What it is about, which decides the shard.
    pub key: String,
    /// What kind it is, in the source's words.
    pub kind: String,
    /// The payload.
    pub data: Bytes,
    /// Further headers.
    pub headers: Headers,
}

/// Publishes events and hands out receivers.
///
/// # Contract
/// 1. *Order.* Events of one run (one key) go to one partition, and are delivered in the order in which they were sent.
/// 2. *At least once.* An event that was sent is delivered to every group that has opened its topic, until it is settled.
/// 3. *No early forgetting.* `settled` names a row only when every group that reads its topic has settled it.
/// 4. *Refused together.* Once a send answered `Full`, later ones of the same call are `Full` too.
/// 5. *Cancellation.* Dropping the future of `send` or `settled` loses nothing.
pub trait EventStreamer: Send + Sync + 'static {
    /// Its receiver.
    type Receiver: EventReceiver;

    /// How far its events reach: engines of several processes need a stream that all of them see.
    fn reach(&self) -> Reach {
        Reach::Process
    }

    /// Whether a group has settled every event of a topic that was published before `until`. If not, what looks lost may
    /// only be waiting. A stream whose events keep their outbox rows until they are settled need not be asked.
    ///
    /// # Errors
    /// If the stream cannot be asked now.
    fn has_settled(
        &self,
        topic: &Topic,
        group: &GroupName,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send {
        let _ = (topic, group, until);
        async { Ok(true) }
    }

    /// How many partitions a topic has. A topic that is not there yet is made, where that is allowed.
    fn partitions(&self, topic: &Topic) -> impl Future<Output = Result<NonZeroU32, BackendError>> + Send;

    /// Opens a topic for a group; nothing is delivered before [`EventReceiver::assign`].
    fn open(
        &self,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
    ) -> impl Future<Output = Result<Self::Receiver, BackendError>> + Send;

    /// Publishes in order; answers in the order asked.
    fn send(
        &self,
        batch: Vec<Publication>,
    ) -> impl Future<Output = Result<Vec<SendOutcome>, BackendError>> + Send;

    /// Waits for outbox rows that were `Held` and can go now. Never ends where every send is `Durable`.
    fn settled(&self) -> impl Future<Output = Vec<EventId>> + Send;

    /// Waits until a stream that was `Full` takes publications again. Ends at once where it never is.
    fn ready(&self) -> impl Future<Output = ()> + Send;
}

/// One group's view of one topic in this process.
///
/// # Contract
/// 1. *Only assigned.* It delivers events of assigned partitions alone.
/// 2. *Out of order.* Events may be settled in any order; a take-over starts at the oldest one that is not settled.
/// 3. *Stale generation.* What is settled under an older generation changes nothing.
/// 4. *Released.* After `release`, what was delivered and not settled is delivered to the next owner.
/// 5. *Cancellation.* Dropping the future of `next_batch` loses no event.
pub trait EventReceiver: Send + 'static {
    /// Takes over these partitions, instead of those it had, under a higher generation.
    fn assign(
        &mut self,
        partitions: Vec<u32>,
        generation: Generation,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Waits for events; gives at least one and at most `max`. It gives none only if something was met that
    /// [`EventReceiver::unreadable`] then gives.
    fn next_batch(&mut self, max: usize) -> impl Future<Output = Result<Vec<Delivery>, BackendError>> + Send;

    /// What was met since the last call and is not an event. It is settled as events are, once it is kept elsewhere.
    fn unreadable(&mut self) -> Vec<Unreadable> {
        Vec::new()
    }

    /// Marks events as dealt with: their outcome is durable.
    fn settle(
        &mut self,
        positions: &[Position],
        generation: Generation,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Gives its partitions back.
    fn release(&mut self) -> impl Future<Output = Result<(), BackendError>> + Send;
}
