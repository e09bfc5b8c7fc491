//! Those who wait for a run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::{Record, RunId};

/// Who waits for which run. A commit of this process tells them at once; those of others are found by polling.
#[derive(Default)]
pub(crate) struct Waiters {
    count: AtomicUsize,
    next: AtomicU64,
    /// Nobody will ever tell anything: who waits is told that instead.
    closed: AtomicBool,
    runs: Mutex<HashMap<RunId, Vec<Waiter>>>,
}

struct Waiter {
    id: u64,
    told: mpsc::UnboundedSender<Arc<Record>>,
}

/// A place among the waiters; given up when it is dropped.
pub(crate) struct Waiting {
    pub(crate) records: mpsc::UnboundedReceiver<Arc<Record>>,
    waiters: Arc<Waiters>,
    run_id: RunId,
    id: u64,
}

impl Waiters {
    /// Everything that is stored of a run from now on is told.
    pub(crate) fn join(self: &Arc<Self>, run_id: RunId) -> Waiting {
        let (told, records) = mpsc::unbounded_channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut runs = self.lock();
            if !self.closed.load(Ordering::Acquire) {
                runs.entry(run_id).or_default().push(Waiter { id, told });
            }
        }
        self.count.fetch_add(1, Ordering::Release);
        Waiting { records, waiters: Arc::clone(self), run_id, id }
    }

    /// Tells what was stored.
    pub(crate) fn tell(&self, record: &Arc<Record>) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(waiters) = self.lock().get(&record.run_id) {
            for waiter in waiters {
                // One that has just left drops its place right after.
                let _ = waiter.told.send(Arc::clone(record));
            }
        }
    }

    /// Nothing will be told of a run.
    pub(crate) fn let_go(&self, run_id: RunId) {
        self.lock().remove(&run_id);
    }

    /// Engines run here: what they store is told.
    pub(crate) fn open(&self) {
        let _runs = self.lock();
        self.closed.store(false, Ordering::Release);
    }

    /// No engine runs here, and nobody else writes to the store: those who wait are let go.
    pub(crate) fn close(&self) {
        let mut runs = self.lock();
        self.closed.store(true, Ordering::Release);
        runs.clear();
    }

    /// The runs that somebody waits for.
    pub(crate) fn runs(&self) -> Vec<RunId> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Vec<Waiter>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut runs = self.waiters.lock();
        if let Some(waiters) = runs.get_mut(&self.run_id) {
            waiters.retain(|waiter| waiter.id != self.id);
            if waiters.is_empty() {
                runs.remove(&self.run_id);
            }
        }
        self.waiters.count.fetch_sub(1, Ordering::Release);
    }
}
