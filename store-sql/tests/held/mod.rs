//! An engine with runs in flight while something happens to its database.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use workflow_core::adapter::Backend;
use workflow_core::{Run, RunState, Running, Status, StatusCode, Step, Workflow};

/// How many runs there are.
pub(crate) const RUNS: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    Placed = 1,
    Held = 2,
    Done = 3,
}

impl Status for Stage {
    const ALL: &'static [Self] = &[Stage::Placed, Stage::Held, Stage::Done];

    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }

    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.code() == code)
    }

    fn name(self) -> &'static str {
        match self {
            Stage::Placed => "Placed",
            Stage::Held => "Held",
            Stage::Done => "Done",
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Parcel {
    /// Makes the object as large as it is to be.
    pub(crate) filling: String,
    pub(crate) steps: u32,
}

/// Holds runs until it is opened.
type Gate = watch::Receiver<bool>;

async fn hold(run: &mut Run<Parcel, Stage>, gate: &Gate) -> Step<Stage> {
    gate.clone().wait_for(|open| *open).await?;
    run.object.steps += 1;
    Ok(Stage::Held)
}

async fn finish(run: &mut Run<Parcel, Stage>, _: &Gate) -> Step<Stage> {
    run.object.steps += 1;
    Ok(Stage::Done)
}

/// An engine and what it has been asked for.
pub(crate) struct Held {
    running: Running<Parcel, Stage>,
    gate: watch::Sender<bool>,
    runs: Vec<workflow_core::RunId>,
}

impl Held {
    /// Starts an engine and runs on it, which wait in their first step.
    pub(crate) async fn start(backend: impl Into<Backend>, filling: usize) -> Self {
        let (gate, held) = watch::channel(false);
        let workflow = Workflow::builder("parcels")
            .step(Stage::Placed, hold, [Stage::Held])
            .step(Stage::Held, finish, [Stage::Done])
            .state(held)
            .build()
            .unwrap();
        let running = workflow.run(backend).await.unwrap();
        let mut runs = Vec::new();
        for number in 0..RUNS {
            let parcel = Parcel { filling: filled(filling), steps: 0 };
            runs.push(running.trigger(format!("parcel-{number}"), parcel).await.unwrap());
        }
        Self { running, gate, runs }
    }

    /// Lets the runs go on.
    pub(crate) fn release(&self) {
        self.gate.send(true).unwrap();
    }

    /// Waits until all runs are done, each step made once as far as it is stored.
    pub(crate) async fn all_done(self) {
        for run in &self.runs {
            // A wait may end with an error while the database is away.
            let done = loop {
                if let Ok(done) = self.running.wait_for(run).finished().await {
                    break done;
                }
                tokio::task::yield_now().await;
            };
            assert_eq!((done.status(), done.run_state()), (Stage::Done, RunState::Completed));
            assert_eq!(done.object().unwrap().steps, 2);
        }
        self.running.shutdown(Duration::from_secs(10)).await;
    }
}

/// Text that no database makes smaller.
pub(crate) fn filled(bytes: usize) -> String {
    std::iter::repeat_with(|| uuid::Uuid::new_v4().simple().to_string()).take(bytes / 32).collect()
}
