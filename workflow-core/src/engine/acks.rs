//! Outbox rows that can go.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::EventId;

/// Rows whose events are settled or durable elsewhere; the next commit deletes them.
#[derive(Default)]
pub(crate) struct Acks {
    rows: Mutex<Rows>,
    pub(crate) arrived: Notify,
}

#[derive(Default)]
struct Rows {
    waiting: Vec<EventId>,
    /// In a commit now: still in the table, and not to be published again.
    leaving: HashSet<EventId>,
    /// Deleted since the present pass over the table began: its pages may have them all the same.
    gone: Option<HashSet<EventId>>,
}

impl Acks {
    pub(crate) fn push(&self, rows: impl IntoIterator<Item = EventId>) {
        self.lock().waiting.extend(rows);
        self.arrived.notify_one();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Takes what is waiting into a commit.
    pub(crate) fn take(&self) -> Vec<EventId> {
        let mut rows = self.lock();
        let taken = std::mem::take(&mut rows.waiting);
        rows.leaving.extend(&taken);
        taken
    }

    /// The commit has ended; rows that it did not delete wait for the next one.
    pub(crate) fn left(&self, taken: Vec<EventId>, deleted: bool) {
        let mut rows = self.lock();
        for row in &taken {
            rows.leaving.remove(row);
        }
        if !deleted {
            rows.waiting.extend(taken);
        } else if let Some(gone) = &mut rows.gone {
            gone.extend(taken);
        }
    }

    /// A pass over the table begins.
    pub(crate) fn begin_pass(&self) {
        self.lock().gone = Some(HashSet::new());
    }

    /// A pass over the table has ended.
    pub(crate) fn end_pass(&self) {
        self.lock().gone = None;
    }

    /// Drops from `page` what is on its way out, or has gone since the pass began.
    pub(crate) fn without_leaving<R>(&self, page: &mut Vec<R>, id: impl Fn(&R) -> Option<EventId>) {
        let rows = self.lock();
        let gone = rows.gone.as_ref().filter(|gone| !gone.is_empty());
        if rows.waiting.is_empty() && rows.leaving.is_empty() && gone.is_none() {
            return;
        }
        let waiting: HashSet<&EventId> = rows.waiting.iter().collect();
        let leaves = |id: EventId| {
            waiting.contains(&id) || rows.leaving.contains(&id) || gone.is_some_and(|gone| gone.contains(&id))
        };
        page.retain(|row| id(row).is_none_or(|id| !leaves(id)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
