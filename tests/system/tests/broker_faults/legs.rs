//! A workflow of three steps that keeps account of how often each was taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use workflow::prelude::*;

/// How far a journey is.
#[derive(Status, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Leg {
    First = 1,
    Second = 2,
    Third = 3,
    Home = 4,
}

/// What a run carries: the legs it has behind it, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Journey {
    pub(crate) behind: Vec<i32>,
}

/// How often each leg of each journey was begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walked(Arc<Mutex<HashMap<(RunId, i32), u64>>>);

impl Walked {
    /// Legs that were walked more often than once.
    pub(crate) fn again(&self) -> usize {
        self.0.lock().unwrap().values().filter(|times| **times > 1).count()
    }
}

/// The name of the workflow.
pub(crate) const LEGS: &str = "legs";

/// The workflow; what looks lost for `reconcile_every` is sent again.
pub(crate) fn legs(walked: Walked, reconcile_every: Duration) -> Workflow<Journey, Leg> {
    let legs = Workflow::builder(LEGS)
        .step(Leg::First, first, [Leg::Second])
        .with(Options::new().shards(2))
        .step(Leg::Second, second, [Leg::Third])
        .with(Options::new().shards(2))
        .step(Leg::Third, third, [Leg::Home])
        .reconcile_every(reconcile_every)
        .state(walked);
    legs.build().unwrap()
}

async fn first(run: &mut Run<Journey, Leg>, walked: &Walked) -> Step<Leg> {
    Ok(walk(run, walked, Leg::First, Leg::Second))
}

async fn second(run: &mut Run<Journey, Leg>, walked: &Walked) -> Step<Leg> {
    Ok(walk(run, walked, Leg::Second, Leg::Third))
}

async fn third(run: &mut Run<Journey, Leg>, walked: &Walked) -> Step<Leg> {
    Ok(walk(run, walked, Leg::Third, Leg::Home))
}

fn walk(run: &mut Run<Journey, Leg>, walked: &Walked, from: Leg, to: Leg) -> Leg {
    *walked.0.lock().unwrap().entry((run.id(), from as i32)).or_default() += 1;
    run.object.behind.push(from as i32);
    to
}
