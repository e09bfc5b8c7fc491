//! How workflows behave, on the store in memory.
#![allow(missing_docs, clippy::unwrap_used)]
#![cfg(feature = "testing")]

use std::sync::Arc;

use workflow_conformance::engine::Place;
use workflow_core::memory::MemoryStore;
use workflow_core::testing::ManualClock;

async fn place() -> Place {
    let clock = ManualClock::new();
    Place::new(MemoryStore::new(Arc::new(clock.clone())), clock, ())
}

workflow_conformance::engine_suite!(place);
