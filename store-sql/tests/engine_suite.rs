//! How workflows behave, on a SQLite file.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use store_sql::Sqlite;
use workflow_conformance::engine::Place;
use workflow_core::testing::ManualClock;

async fn place() -> Place {
    let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let options = Sqlite::options().relaxed().clock(Arc::new(clock.clone()));
    let sqlite = options.open(folder.path().join("parcels.db")).await.unwrap();
    Place::new(sqlite.store().clone(), clock, folder)
}

workflow_conformance::engine_suite!(place);
