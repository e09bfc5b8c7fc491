//! Work on a database has no place in memory.
#![allow(missing_docs, clippy::unwrap_used)]
#![cfg(feature = "testing")]

use std::sync::Arc;

use workflow_conformance::engine::{Case, Desk, Parcel, Stage, parcels};
use workflow_core::adapter::Attached;
use workflow_core::memory::MemoryStore;
use workflow_core::testing::{Kit, ManualClock};
use workflow_core::{Options, RunState, Step};

async fn attach(run: &mut Case) -> Step<Stage> {
    run.attach(Attached::new("insert into parcels"));
    Ok(Stage::Packed)
}

#[tokio::test]
async fn attached_work_is_refused_with_the_reason_and_stores_nothing() {
    let clock = ManualClock::new();
    let kit = Kit::on(MemoryStore::new(Arc::new(clock.clone())), clock);
    let flow = parcels().step(Stage::Placed, attach, [Stage::Packed]).with(Options::new().pause_after(2));
    let office = flow.never_resume().state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let paused = kit.at_rest(&office, &run).await.unwrap();
    assert_eq!((paused.run_state(), paused.status()), (RunState::Paused, Stage::Placed));
    assert_eq!(paused.reason(), "a store in memory has no database to attach work to");
}
