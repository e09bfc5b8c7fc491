//! How workflows behave, on a SQLite file.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use store_sql::Sqlite;
use workflow_conformance::engine::Place;
use workflow_core::testing::ManualClock;

async fn place() -> Place {
    let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    // Nothing here is to rest on polling, and a clock that skips hours would be held up by it.
    let options = Sqlite::options().relaxed().poll_every(Duration::from_secs(600));
    let options = options.clock(Arc::new(clock.clone()));
    let sqlite = options.open(folder.path().join("parcels.db")).await.unwrap();
    Place::new(sqlite.store().clone(), clock, folder)
}

workflow_conformance::engine_suite!(place);
