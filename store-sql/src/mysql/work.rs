//! What a commit is asked for.

use workflow_core::EventId;
use workflow_core::adapter::Change;

use crate::attached::is_attached;

/// The changes of a commit, and the outbox rows that go with them.
pub(super) struct Work {
    pub(super) changes: Vec<Change>,
    pub(super) acked: Vec<EventId>,
}

impl Work {
    /// The changes that go in one transaction.
    pub(super) fn together(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| !is_attached(change))
    }
}
