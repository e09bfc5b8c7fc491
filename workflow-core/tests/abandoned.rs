//! What a program finds that another version of it has left behind.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use workflow_core::memory::MemoryStore;
use workflow_core::testing::{Kit, ManualClock};
use workflow_core::{Error, Run, RunState, Step, Workflow, after};
use workflow_derive::Status;

#[derive(Status, Clone, Copy, Debug, PartialEq)]
#[status(crate = workflow_core)]
enum Parcel {
    Packed = 1,
    Lost = 2,
    Sent = 3,
}

/// The next version of the program has no `Packed` any more.
#[derive(Status, Clone, Copy, Debug, PartialEq)]
#[status(crate = workflow_core)]
enum Slim {
    Lost = 2,
    Sent = 3,
}

async fn lose(_: &mut Run<(), Parcel>) -> Parcel {
    Parcel::Lost
}

async fn called(_: &mut Run<(), Parcel>, _: workflow_core::Payload) -> Parcel {
    Parcel::Sent
}

async fn find(_: &mut Run<(), Slim>) -> Step<Slim> {
    Ok(Slim::Sent)
}

fn with_timeout() -> Workflow<(), Parcel> {
    let timer = after(Duration::from_hours(1));
    let built = Workflow::builder("parcels")
        .callback(Parcel::Packed, called, [Parcel::Sent, Parcel::Lost])
        .timeout(Parcel::Packed, timer, lose, [Parcel::Lost])
        .build();
    built.unwrap()
}

fn without_timeout() -> Workflow<(), Parcel> {
    Workflow::builder("parcels")
        .callback(Parcel::Packed, called, [Parcel::Sent, Parcel::Lost])
        .build()
        .unwrap()
}

fn store() -> (MemoryStore, ManualClock) {
    let clock = ManualClock::new();
    (MemoryStore::new(Arc::new(clock.clone())), clock)
}

#[tokio::test]
async fn a_timer_without_a_timeout_is_set_aside_when_it_is_a_day_overdue() {
    let (store, clock) = store();
    let kit = Kit::on(store.clone(), clock.clone());
    let running = with_timeout().run(&kit).await.unwrap();
    let run = running.trigger("parcel-1", ()).await.unwrap();
    running.shutdown(Duration::ZERO).await;

    clock.advance(Duration::from_hours(24)).await;
    let kit = Kit::on(store.clone(), clock.clone());
    let running = without_timeout().run(&kit).await.unwrap();
    clock.quiet().await;
    assert!(running.dead_letters(9).await.unwrap().is_empty(), "another version may have the timeout");
    running.shutdown(Duration::ZERO).await;

    clock.advance(Duration::from_hours(2)).await;
    let kit = Kit::on(store, clock.clone());
    let running = without_timeout().run(&kit).await.unwrap();
    clock.quiet().await;
    let letters = running.dead_letters(9).await.unwrap();
    let reasons: Vec<&str> = letters.iter().map(|letter| &*letter.reason).collect();
    assert_eq!(reasons, ["status 1 has no timeout any more"]);
    assert_eq!(letters[0].run_id, Some(run));
    assert_eq!(running.get(&run).await.unwrap().run_state(), RunState::Initiated, "the run is left as it is");
}

#[tokio::test]
async fn who_waits_for_a_run_in_an_unknown_status_is_told() {
    let (store, clock) = store();
    let kit = Kit::on(store.clone(), clock.clone());
    let running = without_timeout().run(&kit).await.unwrap();
    let run = running.trigger("parcel-1", ()).await.unwrap();
    running.shutdown(Duration::ZERO).await;

    let kit = Kit::on(store, clock);
    let slim = Workflow::builder("parcels").step(Slim::Lost, find, [Slim::Sent]).build().unwrap();
    let running = slim.run(&kit).await.unwrap();
    for waited in [running.wait_for(&run).finished().await, running.wait_for(&run).at_rest().await] {
        let Err(Error::UnknownStatus { status, .. }) = waited else { panic!("{waited:?}") };
        assert_eq!(status.get(), 1);
    }
    assert_eq!(store_state(&kit, &run).await, RunState::Initiated, "the run is left as it is");
}

async fn store_state(kit: &Kit, run: &workflow_core::RunId) -> RunState {
    let backend = workflow_core::adapter::Backend::from(kit);
    let found = backend.store().lookup(&[*run]).await.unwrap();
    found[0].as_ref().unwrap().as_ref().unwrap().run_state
}
