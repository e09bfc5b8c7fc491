//! The workflow that the Go library's rows are of: `wit1`, from One to Four.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use workflow_core::adapter::Backend;
use workflow_core::{Payload, Run, Running, Status, StatusCode, Step, Workflow};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    One = 1,
    Two = 2,
    Three = 3,
    Four = 4,
}

impl Status for Stage {
    const ALL: &'static [Self] = &[Stage::One, Stage::Two, Stage::Three, Stage::Four];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.code() == code)
    }
    fn name(self) -> &'static str {
        match self {
            Stage::One => "One",
            Stage::Two => "Two",
            Stage::Three => "Three",
            Stage::Four => "Four",
        }
    }
}

/// The object, with the keys that the Go library's has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) count: i64,
    pub(crate) note: String,
}

impl Counted {
    pub(crate) fn new() -> Self {
        Self { count: 0, note: "ours".to_owned() }
    }
}

type Case = Run<Counted, Stage>;

async fn one(run: &mut Case) -> Step<Stage> {
    run.object.count += 1;
    Ok(Stage::Two)
}

async fn two(run: &mut Case) -> Step<Stage> {
    run.object.count += 1;
    Ok(Stage::Three)
}

async fn three(run: &mut Case) -> Step<Stage> {
    run.object.count += 1;
    Ok(Stage::Four)
}

async fn by_hand(_: &mut Case, _: Payload) -> Step<Stage> {
    Ok(Stage::Four)
}

/// All of it, by ours.
pub(crate) fn whole() -> Workflow<Counted, Stage> {
    Workflow::builder("wit1")
        .step(Stage::One, one, [Stage::Two])
        .step(Stage::Two, two, [Stage::Three])
        .step(Stage::Three, three, [Stage::Four])
        .build()
        .unwrap()
}

/// Only the step from Two to Three: the Go library does what is before and after.
pub(crate) fn middle() -> Workflow<Counted, Stage> {
    Workflow::builder("wit1")
        .callback(Stage::One, by_hand, [Stage::Two, Stage::Four])
        .step(Stage::Two, two, [Stage::Three])
        .callback(Stage::Three, by_hand, [Stage::Four])
        .build()
        .unwrap()
}

/// Ends an engine.
pub(crate) async fn end(running: Running<Counted, Stage>) {
    running.shutdown(Duration::from_secs(60)).await;
}

/// Runs a workflow.
pub(crate) async fn run(workflow: &Workflow<Counted, Stage>, backend: Backend) -> Running<Counted, Stage> {
    workflow.run(backend).await.unwrap()
}
