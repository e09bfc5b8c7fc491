//! Which receiver has which partitions, and what waits for it. No call in here waits.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;
use workflow_core::adapter::{BackendError, Generation, Position};

use super::At;
use crate::offsets::{Offsets, Order};

/// How many messages wait for a receiver before its partitions pause, and at how few they go on: a few batches.
const WAITING_MAX: usize = 2_000;
const WAITING_LOW: usize = 500;

/// The same in bytes, for topics with large messages.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// A message that has been decoded.
pub(crate) struct Received<M> {
    pub(crate) position: Position,
    pub(crate) bytes: usize,
    pub(crate) message: M,
}

pub(crate) struct State<M> {
    parts: BTreeMap<u32, Part>,
    inboxes: HashMap<u64, Inbox<M>>,
}

struct Part {
    receiver: u64,
    generation: Generation,
    offsets: Offsets,
    /// Whether it is read: until the owner knows where to start, it is not.
    started: bool,
    paused: bool,
}

struct Inbox<M> {
    waiting: VecDeque<Received<M>>,
    bytes: usize,
    wake: Arc<Notify>,
    /// Why the receiver has to begin again.
    ended: Option<BackendError>,
}

/// What a receiver is given.
pub(crate) struct TakenMessages<M> {
    pub(crate) messages: Vec<(Position, M)>,
    /// Whether paused partitions can go on.
    pub(crate) has_room: bool,
}

/// What becomes of the positions when all receivers have to begin again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Positions {
    /// They are committed when the receivers release.
    Hold,
    /// They are void: the topic is another one, or somebody else's group.
    Void,
}

impl<M> Default for State<M> {
    fn default() -> Self {
        Self { parts: BTreeMap::new(), inboxes: HashMap::new() }
    }
}

impl<M> Inbox<M> {
    fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX || self.bytes >= WAITING_BYTES_MAX
    }

    fn has_room(&self) -> bool {
        self.waiting.len() <= WAITING_LOW && self.bytes <= WAITING_BYTES_MAX / 2
    }
}

impl<M> State<M> {
    pub(super) fn open(&mut self, receiver: u64) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        let inbox = Inbox { waiting: VecDeque::new(), bytes: 0, wake: Arc::clone(&wake), ended: None };
        self.inboxes.insert(receiver, inbox);
        wake
    }

    pub(super) fn close(&mut self, receiver: u64) {
        self.inboxes.remove(&receiver);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.parts.is_empty()
    }

    /// Partitions change hands. Gives where their owners were, and which of them are no longer to be read.
    pub(super) fn take_over(
        &mut self,
        receiver: u64,
        partitions: &[u32],
        generation: Generation,
    ) -> (Vec<At>, Vec<u32>) {
        let (mut known, mut read) = (Vec::new(), Vec::new());
        for partition in partitions {
            if let Some(part) = self.parts.remove(partition) {
                known.extend(part.offsets.position().map(|at| (*partition, at)));
                read.extend(part.started.then_some(*partition));
                self.forget(part.receiver, |waiting| waiting == *partition);
            }
            let offsets = Offsets::starting_at(None, None);
            let part = Part { receiver, generation, offsets, started: false, paused: false };
            self.parts.insert(*partition, part);
        }
        if let Some(inbox) = self.inboxes.get_mut(&receiver) {
            inbox.ended = None;
        }
        (known, read)
    }

    /// A receiver gives back what it has, but for `keep`. Gives what is to be committed of it, and what was read.
    pub(super) fn give_back(&mut self, receiver: u64, keep: &[u32]) -> (Vec<At>, Vec<u32>) {
        let (mut positions, mut read) = (Vec::new(), Vec::new());
        self.parts.retain(|partition, part| {
            if part.receiver != receiver || keep.contains(partition) {
                return true;
            }
            positions.extend(part.offsets.to_commit().map(|at| (*partition, at)));
            read.extend(part.started.then_some(*partition));
            false
        });
        self.forget(receiver, |partition| !keep.contains(&partition));
        (positions, read)
    }

    fn forget(&mut self, receiver: u64, is_of: impl Fn(u32) -> bool) {
        if let Some(inbox) = self.inboxes.get_mut(&receiver) {
            inbox.waiting.retain(|received| !is_of(received.position.partition));
            inbox.bytes = inbox.waiting.iter().map(|received| received.bytes).sum();
        }
    }

    /// Reading starts there, if the partition has not changed hands again. `committed` says that the start is.
    pub(super) fn start(
        &mut self,
        receiver: u64,
        generation: Generation,
        partition: u32,
        at: Option<u64>,
    ) -> bool {
        let part = self.parts.get_mut(&partition);
        let Some(part) = part.filter(|part| part.receiver == receiver && part.generation == generation)
        else {
            return false;
        };
        part.offsets = Offsets::starting_at(at, at);
        part.started = true;
        true
    }

    /// Hands messages to their receivers. Gives the partitions that are to pause, or an offset that shows that the log is
    /// another one than before.
    pub(super) fn dispatch(
        &mut self,
        burst: impl IntoIterator<Item = Received<M>>,
    ) -> Result<Vec<u32>, Position> {
        let mut full = Vec::new();
        for received in burst {
            let position = received.position;
            let part = self.parts.get_mut(&position.partition).filter(|part| part.started);
            let Some(part) = part else { continue };
            if part.offsets.delivered(position.offset) == Order::Behind {
                return Err(position);
            }
            let receiver = part.receiver;
            let Some(inbox) = self.inboxes.get_mut(&receiver) else { continue };
            inbox.bytes += received.bytes;
            inbox.waiting.push_back(received);
            inbox.wake.notify_one();
            if inbox.is_full() && !full.contains(&receiver) {
                full.push(receiver);
            }
        }
        Ok(self.switch(true, |receiver, _| full.contains(&receiver)))
    }

    /// The partitions that can go on.
    pub(super) fn resumable(&mut self) -> Vec<u32> {
        self.switch(false, |_, inbox| inbox.is_some_and(Inbox::has_room))
    }

    fn switch(&mut self, paused: bool, which: impl Fn(u64, Option<&Inbox<M>>) -> bool) -> Vec<u32> {
        let mut switched = Vec::new();
        for (partition, part) in &mut self.parts {
            let inbox = self.inboxes.get(&part.receiver);
            if part.started && part.paused != paused && which(part.receiver, inbox) {
                part.paused = paused;
                switched.push(*partition);
            }
        }
        switched
    }

    pub(super) fn take(&mut self, receiver: u64, max: usize) -> Result<TakenMessages<M>, BackendError> {
        let Some(inbox) = self.inboxes.get_mut(&receiver) else {
            return Ok(TakenMessages { messages: Vec::new(), has_room: false });
        };
        if let Some(error) = &inbox.ended {
            return Err(error.clone());
        }
        let was_full = !inbox.has_room();
        let count = max.min(inbox.waiting.len());
        let messages = inbox.waiting.drain(..count).map(|received| {
            inbox.bytes -= received.bytes;
            (received.position, received.message)
        });
        let messages = messages.collect();
        Ok(TakenMessages { messages, has_room: was_full && inbox.has_room() })
    }

    pub(super) fn settle(&mut self, receiver: u64, positions: &[Position], generation: Generation) {
        for position in positions {
            if let Some(part) = self.parts.get_mut(&position.partition)
                && part.receiver == receiver
                && part.generation == generation
            {
                part.offsets.settled(position.offset);
            }
        }
    }

    /// What is settled and not committed yet; from now on it counts as committed.
    pub(super) fn take_uncommitted(&mut self) -> Vec<At> {
        let mut positions = Vec::new();
        for (partition, part) in self.parts.iter_mut().filter(|(_, part)| part.started) {
            if let Some(at) = part.offsets.to_commit() {
                part.offsets.committing(at);
                positions.push((*partition, at));
            }
        }
        positions
    }

    /// The positions are committed again, of these partitions or of all.
    pub(super) fn commit_again(&mut self, partitions: Option<&[At]>) {
        for (partition, part) in &mut self.parts {
            if partitions.is_none_or(|some| some.iter().any(|(number, _)| number == partition)) {
                part.offsets.not_committed();
            }
        }
    }

    /// Every receiver with partitions has to begin again. Gives what is no longer to be read.
    pub(super) fn end_all(&mut self, error: &BackendError, positions: Positions) -> Vec<u32> {
        for part in self.parts.values() {
            if let Some(inbox) = self.inboxes.get_mut(&part.receiver) {
                inbox.waiting.clear();
                inbox.bytes = 0;
                inbox.ended = Some(error.clone());
                inbox.wake.notify_one();
            }
        }
        match positions {
            Positions::Hold => Vec::new(),
            Positions::Void => {
                let parts = std::mem::take(&mut self.parts);
                parts.into_iter().filter(|(_, part)| part.started).map(|(partition, _)| partition).collect()
            }
        }
    }
}
