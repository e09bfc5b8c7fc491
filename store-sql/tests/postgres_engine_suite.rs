//! How workflows behave, on a PostgreSQL server.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;

use std::sync::Arc;
use std::time::Duration;

use schemas::Schema;
use store_sql::Postgres;
use store_sql::config::PoolOptions;
use workflow_conformance::engine::Place;
use workflow_core::testing::ManualClock;

async fn place() -> Place {
    let (schema, clock) = (Schema::fresh().await, ManualClock::new());
    // Nothing here is to rest on polling, and a clock that skips hours would be held up by it.
    let options =
        Postgres::options().poll_every(Duration::from_secs(600)).pool(PoolOptions::new().max_open(4));
    // Nothing here rests on a loss of power either.
    let server = schema.dsn_with(&[("synchronous_commit", "off")]);
    let postgres = options.clock(Arc::new(clock.clone())).connect_to(&server).await.unwrap();
    Place::new(postgres.store().clone(), clock, schema)
}

workflow_conformance::engine_suite!(place);
