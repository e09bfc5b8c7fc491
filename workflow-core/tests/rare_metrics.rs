//! What is rare is counted when it happens: lost events, lost races, what was set aside, and retries that wait.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use workflow_core::testing::Kit;
use workflow_core::{Client, Options, Payload, Run, Running, Step, Workflow, retryable, terminal};
use workflow_derive::Status;

#[derive(Status, Clone, Copy, Debug, PartialEq)]
#[status(crate = workflow_core)]
enum Parcel {
    Packed = 1,
    Labelled = 2,
    Sent = 3,
}

/// Longer than the reconciler needs.
const A_WHILE: Duration = Duration::from_secs(61);

fn value(client: &Client<(), Parcel>, name: &str) -> f64 {
    let samples = client.metrics().samples();
    samples.iter().find(|each| each.name == name).unwrap_or_else(|| panic!("no {name}")).value
}

async fn label(_: &mut Run<(), Parcel>) -> Parcel {
    Parcel::Labelled
}

async fn send(_: &mut Run<(), Parcel>, _: Payload) -> Step<Parcel> {
    Ok(Parcel::Sent)
}

async fn never(_: &mut Run<(), Parcel>) -> Step<Parcel> {
    Err(retryable("the printer has no paper"))
}

async fn refused(_: &mut Run<(), Parcel>) -> Step<()> {
    Err(terminal("nobody takes receipts"))
}

/// Labels a parcel, which is then sent by a callback, and whose receipt nobody takes.
async fn labelling(kit: &Kit) -> Running<(), Parcel> {
    let parcels = Workflow::builder("parcels")
        .step(Parcel::Packed, label, [Parcel::Labelled])
        .callback(Parcel::Labelled, send, [Parcel::Sent])
        .on_complete(refused);
    parcels.build().unwrap().run(kit).await.unwrap()
}

#[tokio::test]
async fn a_run_whose_event_was_lost_counts_as_reconciled() {
    let kit = Kit::memory();
    let running = labelling(&kit).await;
    kit.faults().lose_events(1);
    let run = running.trigger("parcel-1", ()).await.unwrap();
    assert_eq!(value(&running, "workflow_reconciled_runs"), 0.0);
    kit.run_to(&running, &run, Parcel::Labelled).await.unwrap();
    assert_eq!(value(&running, "workflow_reconciled_runs"), 1.0);
    running.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_race_that_was_lost_and_what_was_set_aside_are_counted() {
    let kit = Kit::memory();
    let running = labelling(&kit).await;
    let run = running.trigger("parcel-1", ()).await.unwrap();
    kit.run_to(&running, &run, Parcel::Labelled).await.unwrap();
    let call = || async { running.callback(Parcel::Labelled, "parcel-1", "\"Mo\"").await.unwrap() };
    // Both have read the same version before one of them is stored.
    tokio::join!(call(), call());
    assert_eq!(value(&running, "workflow_commit_conflicts"), 1.0);
    kit.finish(&running, &run).await.unwrap();
    kit.clock().quiet().await;
    assert_eq!(value(&running, "workflow_dead_letters"), 1.0, "the receipt");
    running.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn failed_attempts_that_wait_are_told_by_the_owner_of_the_retries() {
    let kit = Kit::memory();
    let parcels = Workflow::builder("parcels").step(Parcel::Packed, never, [Parcel::Labelled, Parcel::Sent]);
    let parcels = parcels.with(Options::new().in_place_retries(0).never_pause());
    let running = parcels.build().unwrap().run(&kit).await.unwrap();
    assert_eq!(value(&running, "workflow_retries_waiting"), 0.0);
    for number in 0..3 {
        running.trigger(format!("parcel-{number}"), ()).await.unwrap();
    }
    kit.clock().advance(A_WHILE).await;
    assert_eq!(value(&running, "workflow_retries_waiting"), 3.0);
    assert!(value(&running, "workflow_retries_scheduled") >= 3.0);
    let client = running.client();
    running.shutdown(Duration::ZERO).await;
    assert_eq!(value(&client, "workflow_retries_waiting"), 0.0, "the next owner tells of them");
}
