//! The workflow that the scenarios are about: a parcel, and the desk at which its functions work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use workflow_core::testing::Kit;
use workflow_core::{
    Builder, Client, Next, Payload, Run, Running, Status, StatusCode, Step, StepError, Workflow, retryable,
};

use super::place::until;

/// Where a parcel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was asked for.
    Placed = 1,
    /// It is packed.
    Packed = 2,
    /// It is on its way.
    Sent = 3,
    /// It has arrived.
    Received = 4,
    /// It came back.
    Returned = 5,
}

impl Status for Stage {
    const ALL: &'static [Self] =
        &[Stage::Placed, Stage::Packed, Stage::Sent, Stage::Received, Stage::Returned];

    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }

    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.code() == code)
    }

    fn name(self) -> &'static str {
        match self {
            Stage::Placed => "Placed",
            Stage::Packed => "Packed",
            Stage::Sent => "Sent",
            Stage::Received => "Received",
            Stage::Returned => "Returned",
        }
    }
}

/// What is known of a parcel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    /// What was written on it.
    pub labels: Vec<String>,
}

impl Parcel {
    /// A parcel with one label.
    pub fn labelled(label: &str) -> Self {
        Self { labels: vec![label.to_owned()] }
    }
}

/// A run of a parcel, in the hands of a function.
pub type Case = Run<Parcel, Stage>;
/// A workflow of parcels that runs.
pub type Office = Running<Parcel, Stage>;
/// Calls to a workflow of parcels.
pub type Counter = Client<Parcel, Stage>;

/// A workflow of parcels to be put together. It has a callback that only skips, so that every stage can be reached.
pub fn parcels() -> Builder<Parcel, Stage, Desk> {
    parcels_called("parcels")
}

/// The same under another name.
pub fn parcels_called(name: &str) -> Builder<Parcel, Stage, Desk> {
    let everywhere = [Stage::Packed, Stage::Sent, Stage::Received, Stage::Returned];
    Workflow::builder(name).callback(Stage::Placed, leave_it, everywhere)
}

async fn leave_it(_: &mut Case, _: Payload) -> Step<Next<Stage>> {
    Ok(Next::skip())
}

/// What the functions of a scenario share with it: a log, failures that are asked for, and a gate.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    log: Mutex<Vec<String>>,
    failures: AtomicUsize,
    gate: Semaphore,
}

impl Desk {
    /// A desk with an empty log, no failures and a closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            log: Mutex::default(),
            failures: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        }))
    }

    /// Writes into the log.
    pub fn log(&self, line: impl Into<String>) {
        self.0.log.lock().unwrap().push(line.into());
    }

    /// The log.
    pub fn lines(&self) -> Vec<String> {
        self.0.log.lock().unwrap().clone()
    }

    /// How many lines of the log begin so.
    pub fn count(&self, beginning: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// Waits until so many lines begin so.
    pub async fn counts(&self, beginning: &str, lines: usize) {
        until(&format!("{lines} x {beginning:?} in {:?}", self.lines()), || self.count(beginning) >= lines)
            .await;
    }

    /// The next calls of [`Desk::work`] fail.
    pub fn fail(&self, times: usize) {
        self.0.failures.store(times, Ordering::Release);
    }

    /// Fails if failures are left.
    ///
    /// # Errors
    /// A retryable one, while failures are left.
    pub fn work(&self) -> Result<(), StepError> {
        let left =
            self.0.failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        left.map_or(Ok(()), |_| Err(retryable("the desk is on fire")))
    }

    /// Lets so many calls of [`Desk::pass`] through.
    pub fn open(&self, calls: usize) {
        self.0.gate.add_permits(calls);
    }

    /// Waits at the gate.
    pub async fn pass(&self) {
        self.0.gate.acquire().await.unwrap().forget();
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

/// Ends what runs; time is skipped if it takes some.
pub async fn close(kit: &Kit, office: Office) {
    kit.skipping(office.shutdown(Duration::from_secs(1))).await.expect("a shutdown ends by its deadline");
}

/// Packs a parcel.
pub async fn pack(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log(format!("pack {}", run.attempt()));
    desk.work()?;
    run.object.labels.push("packed".into());
    Ok(Stage::Packed)
}

/// Sends a parcel.
pub async fn send(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log("send");
    run.object.labels.push("sent".into());
    tokio::task::yield_now().await;
    Ok(Stage::Sent)
}

/// Hands a parcel over.
pub async fn hand_over(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log("hand over");
    run.object.labels.push("received".into());
    Ok(Stage::Received)
}

/// Takes a parcel back.
pub async fn take_back(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log("take back");
    run.object.labels.push("returned".into());
    Ok(Stage::Returned)
}
