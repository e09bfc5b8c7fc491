//! A backend for tests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::{Faults, FaultyStore, FaultyStreamer, ManualClock};
use crate::adapter::{Backend, Clock, Store};
use crate::memory::{InProcessScheduler, InProcessStreamer, MemoryStore};
use crate::{Awaited, Client, Error, Object, RunId, Status, StoredRun};

/// How much time is skipped for a run at most, if nothing else is said.
const PATIENCE: Duration = Duration::from_hours(31 * 24);

/// A backend whose time stands still until it is skipped, and whose adapters fail on demand.
///
/// Time is skipped only while nothing runs: neither a function of the workflow nor a call of the store. A function that
/// is to run into its attempt time-out is made to by [`ManualClock::advance`].
#[derive(Clone)]
pub struct Kit {
    clock: ManualClock,
    faults: Faults,
    patience: Duration,
    backend: Backend,
}

impl Kit {
    /// A kit that keeps everything in memory.
    ///
    /// ```
    /// use workflow_core::testing::Kit;
    /// let kit = Kit::memory();
    /// assert_eq!(kit.faults().commits(), 0);
    /// ```
    pub fn memory() -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::new(Arc::new(clock.clone()));
        Self::on(store, clock)
    }

    /// A kit on any store that was told to go by this clock. One on a store that another kit was on takes up what is
    /// stored there, as a new process would.
    pub fn on(store: impl Store, clock: ManualClock) -> Self {
        let faults = Faults::new();
        let backend = Backend::new(
            FaultyStore::new(store, faults.clone()),
            FaultyStreamer::new(InProcessStreamer::new(), faults.clone()),
            InProcessScheduler::new(),
        );
        Self::of(clock, faults, backend)
    }

    pub(super) fn of(clock: ManualClock, faults: Faults, backend: Backend) -> Self {
        Self { clock, faults, patience: PATIENCE, backend }
    }

    /// Skips at most so much time for a run; 31 days by default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// What is to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Skips time until a run is in a status, or was.
    ///
    /// # Errors
    /// [`Stuck`] if it ends elsewhere, or does not get there however much time is skipped.
    pub async fn run_to<T: Object, S: Status>(
        &self,
        client: &Client<T, S>,
        run: &RunId,
        status: S,
    ) -> Result<StoredRun<T, S>, Stuck> {
        match self.skipping(client.wait_for(run).status(status)).await {
            Some(Ok(Awaited::Reached(run))) => Ok(run),
            Some(Ok(Awaited::Finished(run))) => {
                Err(Stuck::Elsewhere { run: format!("{run:?}"), wanted: status.name() })
            }
            Some(Err(error)) => Err(Stuck::Error(error)),
            None => Err(self.waited(client, run).await),
        }
    }

    /// Skips time until a run has ended.
    ///
    /// # Errors
    /// [`Stuck`] if it does not, however much time is skipped.
    pub async fn finish<T: Object, S: Status>(
        &self,
        client: &Client<T, S>,
        run: &RunId,
    ) -> Result<StoredRun<T, S>, Stuck> {
        match self.skipping(client.wait_for(run).finished()).await {
            Some(ended) => ended.map_err(Stuck::Error),
            None => Err(self.waited(client, run).await),
        }
    }

    /// Skips time until a run has ended or is paused.
    ///
    /// # Errors
    /// [`Stuck`] if it is neither, however much time is skipped.
    pub async fn at_rest<T: Object, S: Status>(
        &self,
        client: &Client<T, S>,
        run: &RunId,
    ) -> Result<StoredRun<T, S>, Stuck> {
        match self.skipping(client.wait_for(run).at_rest()).await {
            Some(ended) => ended.map_err(Stuck::Error),
            None => Err(self.waited(client, run).await),
        }
    }

    /// Skips time until a future ends; `None` if it does not, however much time is skipped.
    pub async fn skipping<F: Future>(&self, awaited: F) -> Option<F::Output> {
        let begun = self.clock.elapsed();
        let mut awaited = std::pin::pin!(awaited);
        loop {
            let left = self.patience.saturating_sub(self.clock.elapsed().saturating_sub(begun));
            tokio::select! {
                biased;
                ended = &mut awaited => return Some(ended),
                skipped = self.clock.skip(left) => {
                    if !skipped {
                        return awaited.as_mut().now_or_never();
                    }
                }
            }
        }
    }

    async fn waited<T: Object, S: Status>(&self, client: &Client<T, S>, run: &RunId) -> Stuck {
        match client.get(run).await {
            Ok(run) => Stuck::Waited { run: format!("{run:?}"), patience: self.patience },
            Err(error) => Stuck::Error(error),
        }
    }
}

impl fmt::Debug for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit")
            .field("clock", &self.clock)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl From<&Kit> for Backend {
    fn from(kit: &Kit) -> Self {
        kit.backend.clone()
    }
}

impl From<Kit> for Backend {
    fn from(kit: Kit) -> Self {
        kit.backend
    }
}

/// Why a run did not get where a test wanted it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stuck {
    /// It ended without having been there.
    #[error("the run ended without having been in {wanted}: {run}")]
    Elsewhere {
        /// The run.
        run: String,
        /// The status that was wanted.
        wanted: &'static str,
    },
    /// Nothing more happened.
    #[error("nothing more happens to the run within {patience:?}: {run}")]
    Waited {
        /// The run.
        run: String,
        /// How much time was skipped at most.
        patience: Duration,
    },
    /// It could not be waited for.
    #[error(transparent)]
    Error(Error),
}
