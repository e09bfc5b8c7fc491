//! What is to go wrong, and when.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::adapter::{BackendError, ErrorKind};

/// Tells a [`FaultyStore`](super::FaultyStore) and a [`FaultyStreamer`](super::FaultyStreamer) what is to go wrong.
/// Clones steer the same adapters.
///
/// ```
/// use workflow_core::testing::Faults;
/// let faults = Faults::new();
/// faults.fail_commits(2);
/// faults.lose_events(1);
/// assert_eq!(faults.commits(), 0);
/// ```
#[derive(Clone, Default)]
pub struct Faults(Arc<Plan>);

#[derive(Default)]
struct Plan {
    fail_commits: AtomicU32,
    lose_answers: AtomicU32,
    fail_reads: AtomicU32,
    good_reads: AtomicU32,
    lose_events: AtomicU32,
    good_events: AtomicU32,
    repeat_events: AtomicU32,
    /// The number of the commit after which the process is as good as dead; 0 for never.
    crash_after: AtomicU64,
    crashed: AtomicBool,
    commits: AtomicU64,
    changes: AtomicU64,
}

/// What is to become of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitFault {
    /// It is made and answered.
    None,
    /// It is not made, and answered so.
    NotMade,
    /// It is made, and the answer is lost.
    AnswerLost,
    /// It is made, and nothing after it.
    Last,
}

impl Faults {
    /// Nothing goes wrong, until it is told to.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next commits store nothing and fail with a transient error.
    pub fn fail_commits(&self, commits: u32) {
        self.0.fail_commits.store(commits, Ordering::Release);
    }

    /// The next commits are stored, but their answer is lost: the caller gets an unknown outcome.
    pub fn lose_answers(&self, commits: u32) {
        self.0.lose_answers.store(commits, Ordering::Release);
    }

    /// The next reads fail with a transient error.
    pub fn fail_reads(&self, reads: u32) {
        self.fail_reads_after(0, reads);
    }

    /// After so many good reads, the next ones fail with a transient error.
    pub fn fail_reads_after(&self, good: u32, reads: u32) {
        self.0.good_reads.store(good, Ordering::Release);
        self.0.fail_reads.store(reads, Ordering::Release);
    }

    /// The next events are acknowledged by the stream and reach nobody, as when a broker loses its disk.
    pub fn lose_events(&self, events: u32) {
        self.lose_events_after(0, events);
    }

    /// After so many events that arrive, the next ones are lost.
    pub fn lose_events_after(&self, good: u32, events: u32) {
        self.0.good_events.store(good, Ordering::Release);
        self.0.lose_events.store(events, Ordering::Release);
    }

    /// The next events are delivered twice.
    pub fn repeat_events(&self, events: u32) {
        self.0.repeat_events.store(events, Ordering::Release);
    }

    /// After so many more commits the process is as good as dead: the last of them is stored, nobody hears of it, and
    /// every call after it fails. What is stored can be taken up by a new engine.
    pub fn crash_after(&self, commits: u64) {
        self.0.crash_after.store(self.commits() + commits.max(1), Ordering::Release);
    }

    /// Whether the crash has happened.
    pub fn has_crashed(&self) -> bool {
        self.0.crashed.load(Ordering::Acquire)
    }

    /// How many commits were asked for.
    pub fn commits(&self) -> u64 {
        self.0.commits.load(Ordering::Acquire)
    }

    /// How many changes they had.
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    pub(super) fn next_commit(&self, changes: usize) -> CommitFault {
        let number = self.0.commits.fetch_add(1, Ordering::AcqRel) + 1;
        self.0.changes.fetch_add(changes as u64, Ordering::AcqRel);
        if number == self.0.crash_after.load(Ordering::Acquire) {
            self.0.crashed.store(true, Ordering::Release);
            CommitFault::Last
        } else if take(&self.0.fail_commits) {
            CommitFault::NotMade
        } else if take(&self.0.lose_answers) {
            CommitFault::AnswerLost
        } else {
            CommitFault::None
        }
    }

    pub(super) fn next_read(&self) -> Result<(), BackendError> {
        self.alive()?;
        if !take(&self.0.good_reads) && take(&self.0.fail_reads) {
            return Err(BackendError::new(ErrorKind::Transient, "the read was made to fail"));
        }
        Ok(())
    }

    pub(super) fn next_event_is_lost(&self) -> bool {
        !take(&self.0.good_events) && take(&self.0.lose_events)
    }

    pub(super) fn next_event_is_repeated(&self) -> bool {
        take(&self.0.repeat_events)
    }

    pub(super) fn alive(&self) -> Result<(), BackendError> {
        if self.has_crashed() {
            return Err(BackendError::new(ErrorKind::Closed, "the process was made to crash"));
        }
        Ok(())
    }
}

/// Takes one of those that are left, if there is one.
fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("commits", &self.commits())
            .field("crashed", &self.has_crashed())
            .finish_non_exhaustive()
    }
}
