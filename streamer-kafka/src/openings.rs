//! Which partitions have taken something from a producer.
//!
//! A partition has no state of a producer that is new to it, and takes any sequence number as the first one. Had it two
//! requests under way, and refused the first of them because its leader has just come up, and taken the second, then the
//! first one, sent again, would be answered as a duplicate: reported as delivered, and lost. So the first message on a
//! partition goes alone. From then on the broker knows which number comes next, and several requests may be under way.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use workflow_core::{Topic, fnv1a_32};

use crate::cluster::lock;

/// How long nothing may have been sent to a partition that counts as open: brokers forget a producer that was silent for
/// longer than their `producer.id.expiration.ms`, which is a day unless it was set.
const SILENT_MAX: Duration = Duration::from_secs(600);

/// When each partition of a topic was last sent to; `None` if nothing of this producer is known to be there.
type Partitions = Vec<Option<Instant>>;

/// The open partitions of one producer.
#[derive(Default)]
pub(crate) struct Openings {
    topics: Mutex<HashMap<Topic, Partitions>>,
    /// Held by the batch that opens partitions: others wait for it, so that its messages are alone.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// Where a message goes.
pub(crate) type Place<'a> = (&'a Topic, u32);

impl Openings {
    /// Whether all of these partitions are open; if so, they have been sent to now.
    pub(crate) fn use_all<'a>(&self, places: impl Iterator<Item = Place<'a>>, now: Instant) -> bool {
        let mut topics = lock(&self.topics);
        for (topic, partition) in places {
            let used = topics.get_mut(topic).and_then(|partitions| partitions.get_mut(partition as usize));
            match used.and_then(Option::as_mut) {
                Some(used) if now.saturating_duration_since(*used) < SILENT_MAX => *used = now,
                _ => return false,
            }
        }
        true
    }

    /// Of these messages, by number, the first one of each partition that is not open.
    pub(crate) fn first_of_closed<'a>(
        &self,
        messages: impl Iterator<Item = (usize, Place<'a>)>,
        now: Instant,
    ) -> Vec<usize> {
        let topics = lock(&self.topics);
        let mut first: HashMap<Place<'a>, usize> = HashMap::new();
        for (number, (topic, partition)) in messages {
            let used = topics.get(topic).and_then(|partitions| *partitions.get(partition as usize)?);
            if used.is_none_or(|used| now.saturating_duration_since(used) >= SILENT_MAX) {
                first.entry((topic, partition)).or_insert(number);
            }
        }
        let mut first: Vec<usize> = first.into_values().collect();
        first.sort_unstable();
        first
    }

    /// The broker has taken a message that was alone.
    pub(crate) fn open(&self, (topic, partition): Place<'_>, now: Instant) {
        let mut topics = lock(&self.topics);
        let partitions = topics.entry(topic.clone()).or_default();
        let at = partition as usize;
        if partitions.len() <= at {
            partitions.resize(at + 1, None);
        }
        partitions[at] = Some(now);
    }

    /// A message has failed: what the partition knows of the producer is not certain any more.
    pub(crate) fn close(&self, (topic, partition): Place<'_>) {
        if let Some(used) =
            lock(&self.topics).get_mut(topic).and_then(|partitions| partitions.get_mut(partition as usize))
        {
            *used = None;
        }
    }
}

/// The partition of a key, as sarama's hash partitioner has it: programs in Go and this one agree on it.
pub(crate) fn partition_of(key: &str, partitions: u32) -> u32 {
    // The hash is taken for a signed number, without its sign.
    (fnv1a_32(key.as_bytes()) as i32).unsigned_abs() % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<'a>(topic: &'a Topic, partitions: &'a [u32]) -> impl Iterator<Item = Place<'a>> {
        partitions.iter().map(move |partition| (topic, *partition))
    }

    #[test]
    fn keys_go_where_the_go_library_puts_them() {
        let recorded = [
            ("", 6, 3),
            ("order-1", 100, 49),
            ("Bestellung 17: Öl", 100, 95),
            ("75ad5d03-5bec-49c2-8d25-15e8fba3ef59", 12, 10),
            ("75ad5d03-5bec-49c2-8d25-15e8fba3ef59", 100, 46),
            ("4d9010bf-13b7-4b99-83c9-175e4b7250e3", 6, 3),
            ("4d9010bf-13b7-4b99-83c9-175e4b7250e3", 100, 47),
        ];
        for (key, partitions, partition) in recorded {
            assert_eq!(partition_of(key, partitions), partition, "{key:?} of {partitions}");
        }
    }

    #[test]
    fn the_first_message_of_each_closed_partition_goes_alone() {
        let (openings, topic, now) = (Openings::default(), Topic::new("orders-1"), Instant::now());
        let to = [2, 0, 2, 1, 0];
        assert!(!openings.use_all(places(&topic, &to), now));
        assert_eq!(openings.first_of_closed(places(&topic, &to).enumerate(), now), [0, 1, 3]);
        openings.open((&topic, 2), now);
        assert_eq!(openings.first_of_closed(places(&topic, &to).enumerate(), now), [1, 3]);
        openings.open((&topic, 0), now);
        openings.open((&topic, 1), now);
        assert!(openings.use_all(places(&topic, &to), now));
        openings.close((&topic, 0));
        assert!(!openings.use_all(places(&topic, &to), now));
    }

    #[test]
    fn a_partition_is_closed_that_was_silent_for_long() {
        let (openings, topic, now) = (Openings::default(), Topic::new("orders-1"), Instant::now());
        openings.open((&topic, 0), now);
        assert!(openings.use_all(places(&topic, &[0]), now + SILENT_MAX / 2));
        assert!(openings.use_all(places(&topic, &[0]), now + SILENT_MAX), "it was used meanwhile");
        assert!(!openings.use_all(places(&topic, &[0]), now + 2 * SILENT_MAX));
        assert_eq!(openings.first_of_closed([(7, (&topic, 0))].into_iter(), now + 2 * SILENT_MAX), [7]);
    }
}
