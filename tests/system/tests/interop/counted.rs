//! The workflow that both work on: from One to Four, in three steps.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use workflow::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Status)]
pub(crate) enum Stage {
    One = 1,
    Two = 2,
    Three = 3,
    Four = 4,
}

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

/// The name of the workflow.
pub(crate) const NAME: &str = "wit1";

/// What the Go program is told to trigger.
pub(crate) fn go_trigger(foreign_id: &str) -> Value {
    json!({
        "workflow_name": NAME, "foreign_id": foreign_id, "status": 1, "description": "One",
        "object": r#"{"count":0,"note":"go"}"#,
    })
}

/// A step that the Go program is told to take.
pub(crate) fn go_step(run_id: impl ToString, from: Stage, to: Stage, object: &str) -> Value {
    json!({
        "run_id": run_id.to_string(), "from": from as i32, "to": to as i32, "description": format!("{to:?}"),
        "terminal": to == Stage::Four, "object": object,
    })
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

async fn to_two(_: &mut Case, _: Payload) -> Step<Stage> {
    Ok(Stage::Two)
}

async fn to_three(_: &mut Case, _: Payload) -> Step<Stage> {
    Ok(Stage::Three)
}

async fn to_four(_: &mut Case, _: Payload) -> Step<Stage> {
    Ok(Stage::Four)
}

/// All of it by ours.
pub(crate) fn whole() -> Workflow<Counted, Stage> {
    named(NAME)
}

/// The same under a name, whose topics no other test has.
pub(crate) fn named(name: &str) -> Workflow<Counted, Stage> {
    Workflow::builder(name)
        .step(Stage::One, one, [Stage::Two])
        .step(Stage::Two, two, [Stage::Three])
        .step(Stage::Three, three, [Stage::Four])
        .build()
        .unwrap()
}

/// The first step and the last one: that from Two to Three is the Go library's.
pub(crate) fn outer(name: &str) -> Workflow<Counted, Stage> {
    Workflow::builder(name)
        .step(Stage::One, one, [Stage::Two])
        .callback(Stage::Two, to_three, [Stage::Three])
        .step(Stage::Three, three, [Stage::Four])
        .build()
        .unwrap()
}

/// A period that no test sees the end of.
pub(crate) const SELDOM: Duration = Duration::from_secs(3600);

/// Only the step from Two to Three: what is before and after is left to callbacks and to the Go library. Runs that nothing
/// drives are looked for each period.
pub(crate) fn middle(reconcile_every: Duration) -> Workflow<Counted, Stage> {
    Workflow::builder(NAME)
        .reconcile_every(reconcile_every)
        .callback(Stage::One, to_two, [Stage::Two])
        .step(Stage::Two, two, [Stage::Three])
        .callback(Stage::Three, to_four, [Stage::Four])
        .build()
        .unwrap()
}
