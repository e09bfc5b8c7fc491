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
        }
    }

    /// Drops from `page` what is on its way out.
    pub(crate) fn without_leaving<R>(&self, page: &mut Vec<R>, id: impl Fn(&R) -> Option<EventId>) {
        let rows = self.lock();
        if rows.waiting.is_empty() && rows.leaving.is_empty() {
            return;
        }
        let waiting: HashSet<&EventId> = rows.waiting.iter().collect();
        page.retain(|row| id(row).is_none_or(|id| !waiting.contains(&id) && !rows.leaving.contains(&id)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
