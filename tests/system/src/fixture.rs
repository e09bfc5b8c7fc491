//! A file with runs in every kind of waiting, for tests that damage one of them.

use std::path::Path;

use store_sql::Sqlite;
use workflow::prelude::*;

use crate::parcels::{At, Depot, Parcel, parcels};
use crate::patience::{PATIENCE, patiently, until};
use crate::raw::Raw;

/// How runs wait: for their event, for a retry, for a timer, and with a callback that came early.
pub const KINDS: [&str; 4] = ["outbox", "retry", "timer", "early"];

/// A day, in milliseconds: no timer fires before the test wants it to.
const DAY_MS: u64 = 86_400_000;

/// Makes the file, with a run of each kind called `victim-...` and one called `healthy-...`, and one that has ended.
///
/// # Panics
/// If something fails.
pub async fn make(file: &Path) {
    let workflow = parcels(Depot::default()).expect("the workflow is right");
    let database = Sqlite::open(file).await.expect("the file can be made");
    let running = workflow.run(&database).await.expect("the workflow can be run");
    let done = running.trigger("done", Parcel::default()).await.expect("a run");
    patiently("a parcel", running.wait_for(&done).status(At::Packed)).await.expect("it is packed");
    running.callback(At::Packed, "done", "").await.expect("it is sent");
    let fragile = Parcel { fragile: true, ..Parcel::default() };
    let patient = Parcel { patience_ms: Some(DAY_MS), ..Parcel::default() };
    for who in ["victim", "healthy"] {
        running.trigger(format!("{who}-retry"), fragile.clone()).await.expect("a run");
        running.trigger(format!("{who}-early"), fragile.clone()).await.expect("a run");
        running.callback(At::Packed, format!("{who}-early"), "").key("k").await.expect("it is kept");
        let timer = running.trigger(format!("{who}-timer"), patient.clone()).await.expect("a run");
        patiently("a parcel", running.wait_for(&timer).status(At::Packed)).await.expect("it is packed");
    }
    let mut raw = Raw::open(file).await.expect("the file can be opened");
    let waiting = "select count(*) from workflow_retries where process like '%consumer' and attempt > 0";
    until("four retries", async || raw.number(waiting).await.expect("a number") == 4).await;
    let unsent = "select count(*) from workflow_outbox";
    running.shutdown(PATIENCE).await;
    until("an empty outbox", async || raw.number(unsent).await.expect("a number") <= 4).await;
    for who in ["victim", "healthy"] {
        let client = workflow.connect(&database).await.expect("a client");
        client.trigger(format!("{who}-outbox"), Parcel::default()).await.expect("a run");
    }
    let now_due = "update workflow_timeouts set expire_at = 1 where state = 0;
                   update workflow_retries set due_at = 1;
                   insert into workflow_slots values ('parcels', 'victim', '@hourly', 3600000);
                   insert into workflow_dead_letters values ('d', 'parcels', null, null, 'p', 'because', x'00', 1);";
    raw.run(now_due).await.expect("all is due");
    drop(database);
    until("the whole file in one piece", async || {
        let moved = raw.rows("pragma wal_checkpoint(truncate)").await.expect("a checkpoint");
        sqlx::Row::get::<i64, _>(&moved[0], 0) == 0
    })
    .await;
    raw.close().await.expect("the file can be closed");
}

/// Waits until every healthy run has gone on, and a new one too.
///
/// # Errors
/// What the engine says.
///
/// # Panics
/// If one does not go on.
pub async fn healthy_go_on(running: &Running<Parcel, At>) -> Result<(), workflow::Error> {
    let ends = [At::Packed, At::Packed, At::Lost, At::Sent];
    for (kind, end) in KINDS.into_iter().zip(ends) {
        let id = format!("healthy-{kind}");
        let run = running.latest(&id).await?.expect("it was triggered").id();
        let reached = patiently(&id, running.wait_for(&run).status(end)).await?;
        assert!(reached.is_reached(), "{id} is in {:?}", reached.run());
    }
    let fresh = running.trigger("fresh", Parcel::default()).await?;
    assert!(patiently("fresh", running.wait_for(&fresh).status(At::Packed)).await?.is_reached());
    Ok(())
}
