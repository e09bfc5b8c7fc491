//! What of one partition has been delivered and settled, and so where a take-over has to start.

use std::collections::BTreeSet;

/// One owner's view of one partition. Offsets have gaps where the log was compacted or holds marks of transactions, so it
/// keeps what is open rather than what is settled.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    /// Behind the last one that was delivered; until then where reading starts, if that is known.
    next: Option<u64>,
    /// Delivered and not settled.
    open: BTreeSet<u64>,
    delivered_some: bool,
    committed: Option<u64>,
}

/// What an offset is, seen from what has come before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The next one.
    Next,
    /// Behind what was delivered: this is another log than before.
    Behind,
}

impl Offsets {
    /// Reading starts there; `None` if only the first message will tell.
    pub(crate) fn starting_at(next: Option<u64>, committed: Option<u64>) -> Self {
        Self { next, committed, ..Self::default() }
    }

    /// An event has come.
    pub(crate) fn delivered(&mut self, offset: u64) -> Order {
        if self.delivered_some && self.next.is_some_and(|next| offset < next) {
            return Order::Behind;
        }
        self.delivered_some = true;
        self.next = Some(offset + 1);
        self.open.insert(offset);
        Order::Next
    }

    /// An event has been dealt with; again, or one that never came, changes nothing.
    pub(crate) fn settled(&mut self, offset: u64) {
        self.open.remove(&offset);
    }

    /// The oldest one that is not settled: everything before it is.
    pub(crate) fn position(&self) -> Option<u64> {
        self.open.first().copied().or(self.next)
    }

    /// The position, if it is not committed yet.
    pub(crate) fn to_commit(&self) -> Option<u64> {
        self.position().filter(|position| self.committed != Some(*position))
    }

    /// The position has been handed over to be committed.
    pub(crate) fn committing(&mut self, position: u64) {
        self.committed = Some(position);
    }

    /// A commit failed: the position is committed again.
    pub(crate) fn not_committed(&mut self) {
        self.committed = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "this is test code")]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Offsets, Order};

    #[test]
    fn an_older_offset_is_another_log() {
        let mut offsets = Offsets::starting_at(Some(100), Some(100));
        assert_eq!(
            offsets.delivered(3),
            Order::Next,
            "the log may have been made again before this owner came"
        );
        assert_eq!(offsets.delivered(2), Order::Behind);
        assert_eq!(offsets.position(), Some(3));
    }

    #[test]
    fn nothing_is_committed_before_the_start_is_known() {
        let offsets = Offsets::starting_at(None, None);
        assert_eq!((offsets.position(), offsets.to_commit()), (None, None));
    }

    #[test]
    fn a_position_is_committed_once_unless_that_failed() {
        let mut offsets = Offsets::starting_at(Some(7), None);
        assert_eq!(offsets.to_commit(), Some(7));
        offsets.committing(7);
        assert_eq!(offsets.to_commit(), None);
        offsets.not_committed();
        assert_eq!(offsets.to_commit(), Some(7));
    }

    proptest! {
        /// Whatever is settled, and in whatever order: all before the position is settled, the position itself is not,
        /// and it never goes back.
        #[test]
        fn the_position_is_the_oldest_that_is_open(
            gaps in prop::collection::vec(0_u64..4, 1..60),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
            start in 0_u64..1000,
        ) {
            let mut offsets = Offsets::starting_at(Some(start), None);
            let (mut delivered, mut at) = (Vec::new(), start);
            for gap in gaps {
                at += gap;
                prop_assert_eq!(offsets.delivered(at), Order::Next);
                delivered.push(at);
                at += 1;
            }
            let mut settled = BTreeSet::new();
            let mut last = 0;
            for index in order {
                let offset = *index.get(&delivered);
                offsets.settled(offset);
                settled.insert(offset);
                let position = offsets.position().unwrap();
                let oldest_open = delivered.iter().find(|each| !settled.contains(each));
                prop_assert_eq!(position, oldest_open.copied().unwrap_or(at));
                prop_assert!(position >= last);
                last = position;
            }
        }

        /// Settling and delivering interleaved ends where everything is settled.
        #[test]
        fn all_settled_is_the_end(steps in prop::collection::vec(any::<bool>(), 1..100)) {
            let mut offsets = Offsets::starting_at(Some(0), Some(0));
            let (mut next, mut open) = (0, Vec::new());
            for deliver in steps {
                if deliver || open.is_empty() {
                    offsets.delivered(next);
                    open.push(next);
                    next += 1;
                } else {
                    offsets.settled(open.swap_remove(open.len() / 2));
                }
            }
            open.into_iter().for_each(|offset| offsets.settled(offset));
            prop_assert_eq!(offsets.position(), Some(next));
        }
    }
}
