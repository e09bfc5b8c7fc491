//! Runs that somebody other than the owner of their step has stored.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{Record, RunId, Version};

/// How many are remembered; an older one costs at most a step whose commit is refused.
const REMEMBERED_MAX: usize = 65_536;

/// Newer versions than those of events under way, so that a paused or cancelled run's step is not begun.
#[derive(Default)]
pub(crate) struct Moved {
    count: AtomicUsize,
    runs: Mutex<Runs>,
}

#[derive(Default)]
struct Runs {
    versions: HashMap<RunId, Version>,
    order: VecDeque<RunId>,
}

impl Moved {
    pub(crate) fn note(&self, record: &Record) {
        if record.version == Version::FIRST {
            return;
        }
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.versions.insert(record.run_id, record.version).is_none() {
            runs.order.push_back(record.run_id);
        }
        if runs.order.len() > REMEMBERED_MAX
            && let Some(oldest) = runs.order.pop_front()
        {
            runs.versions.remove(&oldest);
        }
        self.count.store(runs.order.len(), Ordering::Release);
    }

    /// Whether a record at hand is known to be out of date.
    pub(crate) fn is_old(&self, record: &Record) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.versions.get(&record.run_id).is_some_and(|version| *version > record.version)
    }
}
