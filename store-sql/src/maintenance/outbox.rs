//! What waits in the outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use workflow_core::Timestamp;

/// What waits in the outbox, and what was set aside from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxStatus {
    /// The present, by the store's clock.
    pub now: Timestamp,
    /// Of each workflow that has rows, what waits; by name.
    pub workflows: Vec<WorkflowOutbox>,
    /// How many dead letters there are.
    pub dead_letters: u64,
}

/// What waits of one workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowOutbox {
    /// The workflow.
    pub workflow_name: String,
    /// How many events wait.
    pub rows: u64,
    /// When the oldest of them was written.
    pub oldest: Timestamp,
}

impl OutboxStatus {
    /// How many events wait.
    ///
    /// ```
    /// use store_sql::maintenance::OutboxStatus;
    /// use workflow_core::Timestamp;
    /// let status = OutboxStatus { now: Timestamp::from_millis(0), workflows: Vec::new(), dead_letters: 0 };
    /// assert_eq!((status.rows(), status.oldest_age()), (0, None));
    /// ```
    pub fn rows(&self) -> u64 {
        self.workflows.iter().map(|workflow| workflow.rows).sum()
    }

    /// How long the oldest event has waited; `None` if none waits.
    pub fn oldest_age(&self) -> Option<Duration> {
        self.workflows.iter().map(|workflow| self.now.since(workflow.oldest)).max()
    }
}

/// A piece of the outbox by its ids, counted by the database.
#[derive(Debug, Default)]
pub(crate) struct OutboxSlice {
    /// Of each workflow, the rows of the piece.
    pub(crate) workflows: Vec<WorkflowOutbox>,
    /// The last id of the piece; `None` at the end.
    pub(crate) next: Option<String>,
}

/// Adds the pieces up.
#[derive(Default)]
pub(super) struct Counted(BTreeMap<String, WorkflowOutbox>);

impl Counted {
    pub(super) fn add(&mut self, slice: Vec<WorkflowOutbox>) {
        for part in slice {
            let rows = part.rows;
            let counted = self
                .0
                .entry(part.workflow_name.clone())
                .or_insert(WorkflowOutbox { rows: 0, ..part.clone() });
            counted.rows += rows;
            counted.oldest = counted.oldest.min(part.oldest);
        }
    }

    pub(super) fn workflows(self) -> Vec<WorkflowOutbox> {
        self.0.into_values().collect()
    }
}

/// A row that another program wrote: the run is in its bytes alone.
#[derive(Debug)]
pub(crate) struct Forwarded {
    pub(crate) id: String,
    pub(crate) workflow_name: String,
    pub(crate) data: Vec<u8>,
}

/// A page of such rows.
#[derive(Debug, Default)]
pub(crate) struct Unrouted {
    pub(crate) rows: Vec<Forwarded>,
    /// Whether there may be more after the last one.
    pub(crate) more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, rows: u64, oldest: i64) -> WorkflowOutbox {
        WorkflowOutbox { workflow_name: name.to_owned(), rows, oldest: Timestamp::from_millis(oldest) }
    }

    #[test]
    fn pieces_add_up_and_the_oldest_row_counts() {
        let mut counted = Counted::default();
        counted.add(vec![part("orders", 2, 50), part("bills", 1, 70)]);
        counted.add(vec![part("orders", 3, 20)]);
        let status = OutboxStatus {
            now: Timestamp::from_millis(120),
            workflows: counted.workflows(),
            dead_letters: 0,
        };
        assert_eq!(status.workflows, [part("bills", 1, 70), part("orders", 5, 20)]);
        assert_eq!((status.rows(), status.oldest_age()), (6, Some(Duration::from_millis(100))));
    }
}
