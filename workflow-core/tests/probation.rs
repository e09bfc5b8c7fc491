//! A step that takes its process down with it is paused in the end, not begun for ever.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use workflow_conformance::engine;
use workflow_core::memory::MemoryStore;
use workflow_core::testing::{Kit, ManualClock};
use workflow_core::{Options, Run, RunState, Running, Status, StatusCode, Workflow};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Photo {
    Uploaded = 1,
    Scaled = 2,
}

impl Status for Photo {
    const ALL: &'static [Self] = &[Photo::Uploaded, Photo::Scaled];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        if self == Photo::Uploaded { "Uploaded" } else { "Scaled" }
    }
}

/// Where the step says which attempt it is, before the process "dies" in it.
type Begun = mpsc::UnboundedSender<u32>;

async fn scale(run: &mut Run<(), Photo>, begun: &Begun) -> Photo {
    begun.send(run.attempt()).unwrap();
    if run.foreign_id().as_str() == "good" { Photo::Scaled } else { std::future::pending().await }
}

struct Process {
    kit: Kit,
    running: Running<(), Photo>,
    begun: mpsc::UnboundedReceiver<u32>,
}

/// A new process on what the last one left.
async fn start(store: &MemoryStore, clock: &ManualClock) -> Process {
    clock.advance(Duration::from_millis(5)).await;
    let (sender, begun) = mpsc::unbounded_channel();
    let photos = Workflow::builder("photos")
        .step(Photo::Uploaded, scale, [Photo::Scaled])
        .with(Options::new().pause_after(3))
        .state(sender)
        .build()
        .unwrap();
    let kit = Kit::on(store.clone(), clock.clone());
    let running = engine::start(&photos, &kit).await;
    Process { kit, running, begun }
}

/// The end of a process in the middle of whatever it does.
async fn die(process: Process, clock: &ManualClock) {
    process.kit.faults().crash_after(1);
    drop(process.running);
    clock.advance(Duration::from_millis(5)).await;
}

#[tokio::test]
async fn a_step_that_takes_its_process_down_is_paused_after_as_many_attempts_as_errors() {
    let clock = ManualClock::new();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let mut process = start(&store, &clock).await;
    let run = process.running.trigger("bad", ()).await.unwrap();
    assert_eq!(process.begun.recv().await, Some(1));
    for attempt in 1..=3 {
        die(process, &clock).await;
        process = start(&store, &clock).await;
        assert_eq!(process.begun.recv().await, Some(attempt), "noted before it is made");
    }
    die(process, &clock).await;
    let process = start(&store, &clock).await;
    let paused = process.running.wait_for(&run).at_rest().await.unwrap();
    assert_eq!(paused.run_state(), RunState::Paused);
    assert_eq!(paused.reason(), "the process ended in the middle of attempt 3");
}

#[tokio::test]
async fn a_run_that_was_in_flight_when_the_process_died_goes_on() {
    let clock = ManualClock::new();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let process = start(&store, &clock).await;
    process.kit.faults().crash_after(1);
    process.running.trigger("good", ()).await.unwrap_err();
    die(process, &clock).await;
    let process = start(&store, &clock).await;
    let run = process.running.latest("good").await.unwrap().unwrap().id();
    let done = process.kit.finish(&process.running, &run).await.unwrap();
    assert_eq!(done.run_state(), RunState::Completed);
    let history = process.running.history(&run).await.unwrap();
    assert_eq!(history.last().unwrap().attempt, 1);
}
