//! A whole backend in memory.

use std::fmt;
use std::sync::Arc;

use super::{InProcessScheduler, InProcessStreamer, MemoryStore};
use crate::adapter::{Backend, Clock, SystemClock};

/// A backend that keeps everything in memory, until its last clone is dropped.
///
/// ```
/// # use workflow_shop::*;
/// # example!(
/// let memory = Memory::new();
/// let (orders, others) = (orders().run(&memory).await?, orders().connect(&memory).await?);
/// let run = orders.trigger("order-17", Order { cents: 4_200 }).await?;
/// assert_eq!(others.get(&run).await?.foreign_id().as_str(), "order-17");
/// # );
/// ```
#[derive(Clone)]
pub struct Memory {
    store: MemoryStore,
    backend: Backend,
}

impl Memory {
    /// An empty backend, by this host's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// An empty backend by another clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let store = MemoryStore::new(clock);
        let backend = Backend::new(store.clone(), InProcessStreamer::new(), InProcessScheduler::new());
        Self { store, backend }
    }

    /// Its store.
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl From<Memory> for Backend {
    fn from(memory: Memory) -> Self {
        memory.backend
    }
}

impl From<&Memory> for Backend {
    fn from(memory: &Memory) -> Self {
        memory.backend.clone()
    }
}
