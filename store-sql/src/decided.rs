//! A change on its way through a transaction of a server.

use std::sync::Arc;

use workflow_core::adapter::{Change, Expect, Outcome};
use workflow_core::{Record, Timestamp};

/// A change, and what has been decided about it so far.
pub(crate) struct Decided<'a> {
    pub(crate) change: &'a Change,
    /// The record as it is stored, with the transaction's time.
    pub(crate) record: Option<Record>,
    /// `None` while nothing speaks against it.
    pub(crate) refused: Option<Outcome>,
}

impl<'a> Decided<'a> {
    /// A change of a transaction that has this time; nothing speaks against it yet.
    pub(crate) fn new(change: &'a Change, now: Timestamp) -> Self {
        let mut record = change.record.clone();
        if let Some(record) = &mut record {
            record.updated_at = now;
            if change.expect == Expect::Absent {
                record.created_at = now;
            }
        }
        Self { change, record, refused: None }
    }

    pub(crate) fn stands(&self) -> bool {
        self.refused.is_none()
    }

    /// What the caller is told once the transaction is committed.
    pub(crate) fn outcome(self) -> Outcome {
        self.refused.unwrap_or_else(|| Outcome::Stored(self.record.map(Arc::new)))
    }
}
