//! A store that ends its process at a chosen commit, as a power switch would.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use workflow::EventId;
use workflow::adapter::{BackendError, Change, Outcome, Store, StoreLimits};

/// When in a commit the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before anything is written.
    Before,
    /// While it is written: the store may have all of it, or nothing.
    During,
    /// When all of it is on disk, and nobody has been told.
    After,
}

impl When {
    /// All three.
    pub const ALL: [When; 3] = [When::Before, When::During, When::After];

    /// The name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            When::Before => "before",
            When::During => "during",
            When::After => "after",
        }
    }

    /// The one that has a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|when| when.name() == name)
    }
}

/// Any store, which ends the process at its n-th commit that stores something.
pub struct Aborting<S> {
    inner: S,
    at: u64,
    when: When,
    batch_max: usize,
    commits: Arc<AtomicU64>,
}

impl<S> Aborting<S> {
    /// Ends the process at commit number `at`, from 1. So that there are many, no commit is to take more than
    /// `batch_max` changes if it can be helped.
    pub fn new(inner: S, at: u64, when: When, batch_max: usize) -> Self {
        Self { inner, at, when, batch_max, commits: Arc::default() }
    }

    /// How many commits there have been.
    pub fn commits(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.commits)
    }
}

impl<S: Store> Aborting<S> {
    async fn commit_and_abort(
        &self,
        changes: Vec<Change>,
        acked: Vec<EventId>,
    ) -> Result<Vec<Outcome>, BackendError> {
        if self.when == When::Before {
            std::process::abort();
        }
        let commit = self.inner.commit(changes, acked);
        tokio::pin!(commit);
        // The store's own task has the work once this has been polled; it is under way somewhere when the end comes.
        let mut polls = 0;
        let answer = poll_fn(|context| {
            let polled = commit.as_mut().poll(context);
            polls += 1;
            if self.when == When::During && (polls > 1 || polled.is_ready()) {
                std::process::abort();
            }
            if self.when == When::During {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            polled
        });
        let answer = answer.await;
        assert!(answer.is_ok(), "a commit failed by itself: {answer:?}");
        std::process::abort();
    }
}

impl<S: Store> Store for Aborting<S> {
    fn limits(&self) -> StoreLimits {
        StoreLimits { batch_changes_max: self.batch_max, ..self.inner.limits() }
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        if !changes.is_empty() && self.commits.fetch_add(1, Ordering::AcqRel) + 1 == self.at {
            return self.commit_and_abort(changes, acked).await;
        }
        self.inner.commit(changes, acked).await
    }

    workflow::delegate_store!(inner);
}
