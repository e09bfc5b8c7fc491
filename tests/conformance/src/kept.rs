//! All that a store keeps of some runs, to be compared before and after.

use workflow_core::adapter::{Callback, DeadLetter, HistoryQuery, RetryRow, Store, TimerRow};
use workflow_core::{HistoryEntry, Record, RunId, Timestamp};

use crate::samples::{orders, outbox_rows, slot, status};

#[derive(Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) records: Vec<Option<Record>>,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) outbox: Vec<String>,
    pub(crate) timers: Vec<TimerRow>,
    pub(crate) retries: Vec<RetryRow>,
    pub(crate) inbox: Vec<Callback>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) last_slot: Option<Timestamp>,
}

impl Kept {
    /// What is kept of these runs; timers and retries are seen if they are due.
    pub(crate) async fn of(store: &impl Store, runs: &[RunId]) -> Self {
        let found = store.lookup(runs).await.unwrap();
        let records = found.into_iter().map(|found| found.unwrap().as_deref().cloned()).collect();
        let (mut history, mut inbox) = (Vec::new(), Vec::new());
        for run_id in runs {
            let query = HistoryQuery { run_id: *run_id, after: None, limit: 1000 };
            history.extend(store.history(&query).await.unwrap());
            inbox.extend(store.inbox(*run_id, status(1)).await.unwrap());
        }
        let due = store.due(&[orders()], 1000).await.unwrap();
        Self {
            records,
            history,
            outbox: outbox_rows(store, 1000).await.iter().map(|row| row.id.to_string()).collect(),
            timers: due.timers.into_iter().map(|due| due.timer).collect(),
            retries: due.retries,
            inbox,
            dead_letters: store.dead_letters(1000).await.unwrap(),
            last_slot: store.last_slot(&slot(0)).await.unwrap(),
        }
    }
}
