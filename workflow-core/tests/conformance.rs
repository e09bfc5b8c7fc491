//! What is in memory passes the suites of the adapters.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use workflow_conformance::clock::ClockFixture;
use workflow_conformance::scheduler::SchedulerFixture;
use workflow_conformance::store::StoreFixture;
use workflow_conformance::streamer::StreamerFixture;
use workflow_core::adapter::SystemClock;
use workflow_core::memory::{InProcessScheduler, InProcessStreamer, MemoryStore};

struct InMemory(Arc<MemoryStore>);

impl StoreFixture for InMemory {
    type Store = MemoryStore;

    async fn fresh() -> Self {
        Self(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))))
    }

    fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.0)
    }

    async fn reopen(self) -> Self {
        self
    }
}

struct InProcess(Arc<InProcessStreamer>);

impl StreamerFixture for InProcess {
    type Streamer = InProcessStreamer;

    async fn fresh() -> Self {
        Self(Arc::new(InProcessStreamer::new()))
    }

    async fn bounded(events: usize) -> Option<Self> {
        Some(Self(Arc::new(InProcessStreamer::with_bound(events))))
    }

    fn streamer(&self) -> Arc<InProcessStreamer> {
        Arc::clone(&self.0)
    }
}

struct Roles(Arc<InProcessScheduler>);

impl SchedulerFixture for Roles {
    type Scheduler = InProcessScheduler;

    async fn fresh() -> Self {
        Self(Arc::new(InProcessScheduler::new()))
    }

    fn scheduler(&self) -> Arc<InProcessScheduler> {
        Arc::clone(&self.0)
    }
}

struct Host(Arc<SystemClock>);

impl ClockFixture for Host {
    type Clock = SystemClock;

    async fn fresh() -> Self {
        Self(Arc::new(SystemClock::new()))
    }

    fn clock(&self) -> Arc<SystemClock> {
        Arc::clone(&self.0)
    }
}

workflow_conformance::store_suite!(InMemory);
workflow_conformance::relay_suite!(InMemory);
workflow_conformance::streamer_suite!(InProcess);
workflow_conformance::receiver_suite!(InProcess);
workflow_conformance::scheduler_suite!(Roles);
workflow_conformance::clock_suite!(Host);
