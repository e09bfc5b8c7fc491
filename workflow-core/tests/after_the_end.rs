//! What those see who come when an engine has ended, or ask for what is not there.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use workflow_core::memory::Memory;
use workflow_core::{Error, Run, RunId, RunState, Schedule, Workflow};
use workflow_derive::Status;

#[derive(Status, Clone, Copy, Debug, PartialEq)]
#[status(crate = workflow_core)]
enum Parcel {
    Packed = 1,
    Sent = 2,
}

/// Reads from anything, a deleted object too.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Label {
    weight: u64,
}

async fn send(_: &mut Run<Label, Parcel>) -> Parcel {
    Parcel::Sent
}

async fn called(_: &mut Run<Label, Parcel>, _: workflow_core::Payload) -> Parcel {
    Parcel::Sent
}

fn waiting(name: &str) -> Workflow<Label, Parcel> {
    Workflow::builder(name).callback(Parcel::Packed, called, [Parcel::Sent]).build().unwrap()
}

fn sending(name: &str) -> Workflow<Label, Parcel> {
    Workflow::builder(name).step(Parcel::Packed, send, [Parcel::Sent]).build().unwrap()
}

#[tokio::test]
async fn who_waits_in_memory_is_let_go_when_the_last_engine_ends() {
    let memory = Memory::new();
    let running = waiting("parcels").run(&memory).await.unwrap();
    let run = running.trigger("parcel-1", Label::default()).await.unwrap();
    let client = running.client();
    let wait = client.wait_for(&run).finished();
    tokio::pin!(wait);
    assert!(futures_util::poll!(&mut wait).is_pending());
    running.shutdown(Duration::from_secs(5)).await;
    assert!(matches!(wait.await, Err(Error::ShuttingDown)));
    assert!(matches!(client.wait_for(&run).finished().await, Err(Error::ShuttingDown)));

    let again = sending("others").run(&memory).await.unwrap();
    let other = again.trigger("parcel-1", Label::default()).await.unwrap();
    assert_eq!(again.wait_for(&other).finished().await.unwrap().run_state(), RunState::Completed);
}

#[tokio::test]
async fn a_workflow_runs_again_right_after_it_was_dropped() {
    let memory = Memory::new();
    for _ in 0..20 {
        let running = waiting("parcels").run(&memory).await.unwrap();
        drop(running);
    }
    let running = waiting("parcels").run(&memory).await.unwrap();
    let Err(Error::CannotRun { reason, .. }) = waiting("parcels").run(&memory).await else {
        panic!("it runs twice");
    };
    assert!(reason.starts_with("it runs on this backend already"), "{reason}");
    drop(running);
}

#[tokio::test]
async fn a_deleted_object_reads_as_deleted_even_if_its_type_would_take_anything() {
    let running = sending("parcels").run(Memory::new()).await.unwrap();
    let run = running.trigger("parcel-1", Label { weight: 7 }).await.unwrap();
    assert_eq!(running.wait_for(&run).finished().await.unwrap().object().unwrap(), Label { weight: 7 });
    running.delete_data(&run, "asked for").await.unwrap();
    loop {
        let stored = running.get(&run).await.unwrap();
        if stored.run_state() == RunState::DataDeleted {
            assert!(matches!(stored.object(), Err(Error::Deleted { run_id }) if run_id == run));
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_history_is_that_of_a_run_of_the_workflow() {
    let memory = Memory::new();
    let (parcels, others) =
        (sending("parcels").run(&memory).await.unwrap(), sending("others").run(&memory).await.unwrap());
    let run = parcels.trigger("parcel-1", Label::default()).await.unwrap();
    assert!(matches!(others.history(&run).await, Err(Error::WrongWorkflow { .. })));
    assert!(matches!(parcels.history(&RunId::generate()).await, Err(Error::NotFound { .. })));
    assert!(!parcels.history(&run).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_schedule_that_could_never_start_is_refused_while_it_runs_too() {
    let running = sending("parcels").run(Memory::new()).await.unwrap();
    let never = Schedule::new("nightly", "@daily", Label::default).start_at(Parcel::Sent);
    assert!(matches!(running.schedule(never), Err(Error::NoStart { status: "Sent", .. })));
}

#[tokio::test]
async fn what_was_said_of_a_run_goes_with_its_data() {
    let running = waiting("parcels").run(Memory::new()).await.unwrap();
    let run = running.trigger("parcel-1", Label::default()).await.unwrap();
    running.pause(&run, "lives at 5 Elm Street").await.unwrap();
    running.resume(&run).await.unwrap();
    running.cancel(&run, "moved to 7 Oak Road").await.unwrap();
    running.delete_data(&run, "asked for").await.unwrap();
    loop {
        if running.get(&run).await.unwrap().run_state() == RunState::DataDeleted {
            break;
        }
        tokio::task::yield_now().await;
    }
    let history = running.history(&run).await.unwrap();
    let said: Vec<&str> =
        history.iter().map(|entry| &*entry.reason).filter(|reason| !reason.is_empty()).collect();
    assert_eq!(said, ["asked for"]);
}

#[tokio::test]
async fn a_shutdown_that_is_given_up_gives_the_backend_back() {
    let memory = Memory::new();
    let running = waiting("parcels").run(&memory).await.unwrap();
    let mut shutdown = Box::pin(running.shutdown(Duration::from_secs(60)));
    let _ = futures_util::poll!(&mut shutdown);
    drop(shutdown);
    waiting("parcels").run(&memory).await.unwrap();
}
