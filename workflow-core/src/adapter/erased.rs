//! Streamers, receivers and schedulers with their types erased.

use std::num::NonZeroU32;

use super::{
    BackendError, BoxFuture, Delivery, EventReceiver, EventStreamer, Generation, Lease, Position,
    Publication, Reach, RoleClaim, RoleScheduler, SendOutcome, StartAt, Unreadable,
};
use crate::{EventId, GroupName, Timestamp, Topic};

/// [`EventStreamer`] with boxed futures. Implemented for every [`EventStreamer`]; the contract is there.
#[allow(missing_docs, reason = "each method is that of the same name in `EventStreamer`")]
pub trait DynStreamer: Send + Sync {
    fn reach(&self) -> Reach;
    fn has_settled<'a>(
        &'a self,
        topic: &'a Topic,
        group: &'a GroupName,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, BackendError>>;
    fn partitions<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<NonZeroU32, BackendError>>;
    fn send<'a>(&'a self, batch: Vec<Publication>) -> BoxFuture<'a, Result<Vec<SendOutcome>, BackendError>>;
    fn settled<'a>(&'a self) -> BoxFuture<'a, Vec<EventId>>;
    fn ready<'a>(&'a self) -> BoxFuture<'a, ()>;
    fn open<'a>(
        &'a self,
        topic: &'a Topic,
        group: &'a GroupName,
        start: StartAt,
    ) -> BoxFuture<'a, Result<Box<dyn DynReceiver>, BackendError>>;
}

impl<S: EventStreamer> DynStreamer for S {
    fn reach(&self) -> Reach {
        EventStreamer::reach(self)
    }

    fn has_settled<'a>(
        &'a self,
        topic: &'a Topic,
        group: &'a GroupName,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, BackendError>> {
        Box::pin(EventStreamer::has_settled(self, topic, group, until))
    }

    fn partitions<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<NonZeroU32, BackendError>> {
        Box::pin(EventStreamer::partitions(self, topic))
    }

    fn send<'a>(&'a self, batch: Vec<Publication>) -> BoxFuture<'a, Result<Vec<SendOutcome>, BackendError>> {
        Box::pin(EventStreamer::send(self, batch))
    }

    fn settled<'a>(&'a self) -> BoxFuture<'a, Vec<EventId>> {
        Box::pin(EventStreamer::settled(self))
    }

    fn ready<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(EventStreamer::ready(self))
    }

    fn open<'a>(
        &'a self,
        topic: &'a Topic,
        group: &'a GroupName,
        start: StartAt,
    ) -> BoxFuture<'a, Result<Box<dyn DynReceiver>, BackendError>> {
        Box::pin(async move {
            let receiver = EventStreamer::open(self, topic, group, start).await?;
            Ok(Box::new(receiver) as Box<dyn DynReceiver>)
        })
    }
}

/// [`EventReceiver`] with boxed futures. Implemented for every [`EventReceiver`]; the contract is there.
#[allow(missing_docs, reason = "each method is that of the same name in `EventReceiver`")]
pub trait DynReceiver: Send {
    fn assign<'a>(
        &'a mut self,
        partitions: Vec<u32>,
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), BackendError>>;
    fn next_batch<'a>(&'a mut self, max: usize) -> BoxFuture<'a, Result<Vec<Delivery>, BackendError>>;
    fn unreadable(&mut self) -> Vec<Unreadable>;
    fn settle<'a>(
        &'a mut self,
        positions: &'a [Position],
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), BackendError>>;
    fn release<'a>(&'a mut self) -> BoxFuture<'a, Result<(), BackendError>>;
}

impl<R: EventReceiver> DynReceiver for R {
    fn assign<'a>(
        &'a mut self,
        partitions: Vec<u32>,
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(EventReceiver::assign(self, partitions, generation))
    }

    fn next_batch<'a>(&'a mut self, max: usize) -> BoxFuture<'a, Result<Vec<Delivery>, BackendError>> {
        Box::pin(EventReceiver::next_batch(self, max))
    }

    fn unreadable(&mut self) -> Vec<Unreadable> {
        EventReceiver::unreadable(self)
    }

    fn settle<'a>(
        &'a mut self,
        positions: &'a [Position],
        generation: Generation,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(EventReceiver::settle(self, positions, generation))
    }

    fn release<'a>(&'a mut self) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(EventReceiver::release(self))
    }
}

/// [`RoleScheduler`] with boxed futures. Implemented for every [`RoleScheduler`]; the contract is there.
#[allow(missing_docs, reason = "each method is that of the same name in `RoleScheduler`")]
pub trait DynScheduler: Send + Sync {
    fn reach(&self) -> Reach;
    fn claim<'a>(&'a self, claim: RoleClaim) -> BoxFuture<'a, Result<Lease, BackendError>>;
}

impl<S: RoleScheduler> DynScheduler for S {
    fn reach(&self) -> Reach {
        RoleScheduler::reach(self)
    }

    fn claim<'a>(&'a self, claim: RoleClaim) -> BoxFuture<'a, Result<Lease, BackendError>> {
        Box::pin(RoleScheduler::claim(self, claim))
    }
}
