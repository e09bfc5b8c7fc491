//! One topic in memory: its partitions, and how far each group is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::adapter::{Delivery, Position, Publication};
use crate::{Event, EventId, GroupName, Record, Timestamp};

/// How many partitions a topic in memory has.
pub(super) const PARTITIONS: u32 = 16;

/// How many groups can read one topic: each has a bit.
const GROUPS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct TopicLog {
    partitions: [Partition; PARTITIONS as usize],
    groups: Vec<Group>,
    places: HashMap<GroupName, usize>,
    /// Rows that are in the log, so that one that is sent twice is in it once.
    held: HashSet<EventId>,
}

#[derive(Default)]
struct Partition {
    /// The offset of the first entry.
    base: u64,
    entries: VecDeque<Entry>,
}

struct Entry {
    row: EventId,
    event: Arc<Event>,
    record: Option<Arc<Record>>,
    at: Timestamp,
    /// The groups that have not settled it, a bit each.
    pending: u64,
}

struct Group {
    /// The next offset to deliver, of each partition.
    cursors: [u64; PARTITIONS as usize],
    readers: Vec<Arc<Notify>>,
}

/// What became of one event that was put into a log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// Nobody has ever read this topic here.
    Unread,
    /// It is in the log.
    Added,
    /// It was in the log already, or its readers are away and will have it read again.
    Known,
}

impl TopicLog {
    pub(super) fn put(&mut self, publication: Publication) -> Put {
        if self.groups.is_empty() {
            return Put::Unread;
        }
        if self.groups.iter().all(|group| group.readers.is_empty()) || !self.held.insert(publication.row) {
            return Put::Known;
        }
        let Publication { row, event, record, at } = publication;
        let partition = partition_of(&event);
        let pending = u64::MAX >> (GROUPS_MAX - self.groups.len());
        self.partitions[partition].entries.push_back(Entry { row, event, record, at, pending });
        Put::Added
    }

    /// Those to be woken after something was put.
    pub(super) fn readers(&self) -> impl Iterator<Item = &Arc<Notify>> {
        self.groups.iter().flat_map(|group| &group.readers)
    }

    /// Adds a reader of a group; a new group begins with the oldest or the next event.
    pub(super) fn open(&mut self, name: &GroupName, from_oldest: bool, reader: Arc<Notify>) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            self.groups[*place].readers.push(reader);
            return Some(*place);
        }
        let place = self.groups.len();
        if place == GROUPS_MAX {
            return None;
        }
        let mut cursors = [0; PARTITIONS as usize];
        for (partition, cursor) in self.partitions.iter_mut().zip(&mut cursors) {
            *cursor = partition.end();
            if from_oldest {
                *cursor = partition.base;
                // What every group has settled is gone, though it waits behind an older event for its place to be freed.
                for entry in partition.entries.iter_mut().filter(|entry| entry.pending != 0) {
                    entry.pending |= 1 << place;
                }
            }
        }
        self.groups.push(Group { cursors, readers: vec![reader] });
        self.places.insert(name.clone(), place);
        Some(place)
    }

    /// A reader has gone. When the last one of the topic has, what is unsettled is forgotten: its rows are still in the
    /// outbox, and are read again for the next readers. Tells how many events that were.
    pub(super) fn close(&mut self, group: usize, reader: &Arc<Notify>) -> usize {
        self.groups[group].readers.retain(|each| !Arc::ptr_eq(each, reader));
        if self.groups.iter().any(|group| !group.readers.is_empty()) {
            return 0;
        }
        let forgotten = self.held.len();
        self.held.clear();
        for (at, partition) in self.partitions.iter_mut().enumerate() {
            partition.base = partition.end();
            partition.entries.clear();
            for group in &mut self.groups {
                group.cursors[at] = partition.base;
            }
        }
        forgotten
    }

    /// Gives what was delivered and not settled to whoever reads these partitions next.
    pub(super) fn rewind(&mut self, group: usize, partitions: &[u32]) {
        for partition in partitions {
            self.groups[group].cursors[*partition as usize] = self.partitions[*partition as usize].base;
        }
        for reader in &self.groups[group].readers {
            reader.notify_one();
        }
    }

    /// The next events of these partitions.
    pub(super) fn take(&mut self, group: usize, partitions: &[u32], max: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        for number in partitions {
            let partition = &self.partitions[*number as usize];
            let cursor = &mut self.groups[group].cursors[*number as usize];
            *cursor = (*cursor).max(partition.base);
            while taken.len() < max && *cursor < partition.end() {
                let entry =
                    &partition.entries[usize::try_from(*cursor - partition.base).unwrap_or(usize::MAX)];
                if entry.pending & (1 << group) != 0 {
                    taken.push(Delivery {
                        position: Position { partition: *number, offset: *cursor },
                        event: Arc::clone(&entry.event),
                        record: entry.record.clone(),
                        at: entry.at,
                    });
                }
                *cursor += 1;
            }
        }
        taken
    }

    /// Notes that a group has dealt with an event; adds its row to `settled` if it was the last one.
    pub(super) fn settle(&mut self, group: usize, position: Position, settled: &mut Vec<EventId>) {
        let Some(partition) = self.partitions.get_mut(position.partition as usize) else { return };
        let Some(at) = position.offset.checked_sub(partition.base) else { return };
        let Some(entry) = partition.entries.get_mut(usize::try_from(at).unwrap_or(usize::MAX)) else {
            return;
        };
        if entry.pending & (1 << group) == 0 {
            return;
        }
        entry.pending &= !(1 << group);
        if entry.pending == 0 {
            self.held.remove(&entry.row);
            settled.push(entry.row);
        }
        while partition.entries.front().is_some_and(|entry| entry.pending == 0) {
            partition.entries.pop_front();
            partition.base += 1;
        }
    }
}

impl Partition {
    fn end(&self) -> u64 {
        self.base + self.entries.len() as u64
    }
}

/// All events of a run are in one partition.
fn partition_of(event: &Event) -> usize {
    usize::from(event.run_id.bucket()) % PARTITIONS as usize
}
