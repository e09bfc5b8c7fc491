//! How workflows behave, on a MariaDB or MySQL server.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;

use std::sync::Arc;
use std::time::Duration;

use mysql_support::Database;
use store_sql::MySql;
use workflow_conformance::engine::Place;
use workflow_core::testing::ManualClock;

async fn place() -> Place {
    let (database, clock) = (Database::fresh().await, ManualClock::new());
    // Nothing here is to rest on polling, and a clock that skips hours would be held up by it.
    let options = MySql::options().poll_every(Duration::from_secs(600)).clock(Arc::new(clock.clone()));
    let mysql = database.open_with(options).await;
    Place::new(mysql.store().clone(), clock, database)
}

workflow_conformance::engine_suite!(place);
