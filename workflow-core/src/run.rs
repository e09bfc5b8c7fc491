//! What a user's function sees of a run, and what it can answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::adapter::{Attached, Fence};
use crate::{Epoch, ForeignId, Record, RunId, Status, Timestamp, Version};

/// A run in the hands of a user's function: its object, and what the engine knows of it.
///
/// A step changes [`Run::object`] and returns the next status; the object is stored with the transition or not at all.
///
/// ```
/// use workflow_core::{Run, Status, Step};
/// struct Order { paid: bool }
/// async fn pay<S: Status>(run: &mut Run<Order, S>) -> Step<S> {
///     run.object.paid = true;
///     println!("charging under key {}", run.idempotency_key());
///     Ok(run.status())
/// }
/// ```
pub struct Run<T, S> {
    /// The user's object.
    pub object: T,
    status: S,
    record: Arc<Record>,
    attempt: u32,
    fence: Option<Fence>,
    signals: Arc<CancelSignals>,
    attached: Vec<Attached>,
}

impl<T, S: Status> Run<T, S> {
    pub(crate) fn new(object: T, status: S, record: Arc<Record>, call: CallContext) -> Self {
        let CallContext { attempt, fence, signals } = call;
        Self { object, status, record, attempt, fence, signals, attached: Vec::new() }
    }

    /// The run's id.
    pub fn id(&self) -> RunId {
        self.record.run_id
    }

    /// The business key that the run was triggered with.
    pub fn foreign_id(&self) -> &ForeignId {
        &self.record.foreign_id
    }

    /// The status that the run is in.
    pub fn status(&self) -> S {
        self.status
    }

    /// How often the run has been stored.
    pub fn version(&self) -> Version {
        self.record.version
    }

    /// Which attempt at this version this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When the run was triggered, by the store's clock.
    pub fn created_at(&self) -> Timestamp {
        self.record.created_at
    }

    /// When the run was last stored, by the store's clock.
    pub fn updated_at(&self) -> Timestamp {
        self.record.updated_at
    }

    /// The run as it is stored, untyped.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// `run:version`: the same for every attempt at this version, and for no other. Pass it to services that can tell
    /// a repeated request from a new one.
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}", self.record.run_id, self.record.version)
    }

    /// The epoch of the role that runs this: rises with each owner. Pass it to services that refuse older owners.
    pub fn epoch(&self) -> Option<Epoch> {
        self.fence.as_ref().map(|fence| fence.epoch)
    }

    /// Waits until the run is cancelled or paused, its role is lost, or the engine shuts down. What the function returns after that is not
    /// stored; it is dropped after a grace.
    ///
    /// ```
    /// # use workflow_core::{Next, Run, Status, Step};
    /// # async fn transfer() {}
    /// async fn ship<S: Status>(run: &mut Run<(), S>) -> Step<Next<S>> {
    ///     tokio::select! {
    ///         () = transfer() => Ok(Next::go_to(run.status())),
    ///         () = run.cancelled() => Ok(Next::skip()),
    ///     }
    /// }
    /// ```
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.signals.subscribe(self.record.run_id).cancelled_owned()
    }

    /// Adds work on the same database that commits with this transition or not at all. It is made by the store's
    /// crate, and may run more than once, as a transaction may.
    pub fn attach(&mut self, work: Attached) {
        self.attached.push(work);
    }

    pub(crate) fn take_attached(&mut self) -> Vec<Attached> {
        std::mem::take(&mut self.attached)
    }

    /// Shows the run as it will be stored, for the timers of the status that it enters.
    pub(crate) fn enter(&mut self, status: S, record: Arc<Record>) -> Arc<Record> {
        self.status = status;
        std::mem::replace(&mut self.record, record)
    }
}

impl<T: fmt::Debug, S: Status> fmt::Debug for Run<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("id", &self.record.run_id)
            .field("foreign_id", &self.record.foreign_id)
            .field("status", &self.status.name())
            .field("version", &self.record.version.get())
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

/// What a call of a user's function carries beside the record.
#[derive(Clone)]
pub(crate) struct CallContext {
    pub(crate) attempt: u32,
    pub(crate) fence: Option<Fence>,
    pub(crate) signals: Arc<CancelSignals>,
}

/// The runs of one process that are to be told when they are cancelled; a run that never asks costs nothing.
#[derive(Default)]
pub(crate) struct CancelSignals {
    all: CancellationToken,
    runs: Mutex<HashMap<RunId, Signal>>,
}

struct Signal {
    token: CancellationToken,
    /// How many calls are under way that wait for it.
    calls: usize,
}

impl CancelSignals {
    fn subscribe(&self, run_id: RunId) -> CancellationToken {
        self.lock().entry(run_id).or_insert_with(|| Signal::of(&self.all)).token.clone()
    }

    /// The signal of a call that did not end at once.
    pub(crate) fn begin(&self, run_id: RunId) -> CancellationToken {
        let mut runs = self.lock();
        let signal = runs.entry(run_id).or_insert_with(|| Signal::of(&self.all));
        signal.calls += 1;
        signal.token.clone()
    }

    /// A call has ended; `begun` tells whether it had asked for its signal.
    pub(crate) fn end(&self, run_id: RunId, begun: bool) {
        let mut runs = self.lock();
        let Some(signal) = runs.get_mut(&run_id) else { return };
        signal.calls -= usize::from(begun);
        if signal.calls == 0 {
            runs.remove(&run_id);
        }
    }

    /// Tells one run, if it asked.
    pub(crate) fn cancel(&self, run_id: RunId) {
        if let Some(signal) = self.lock().get(&run_id) {
            signal.token.cancel();
        }
    }

    /// Tells every run of the process.
    pub(crate) fn cancel_all(&self) {
        self.all.cancel();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Signal>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signal {
    fn of(all: &CancellationToken) -> Self {
        Self { token: all.child_token(), calls: 0 }
    }
}

/// What a step, callback or timeout wants to become of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next<S> {
    /// Store the object and go to a declared status.
    GoTo(S),
    /// Leave the run as it is, and do not call again by itself.
    Skip,
    /// Store the object, stay in this status and be called again.
    Repeat,
    /// Store the object and set the run aside with this reason.
    Pause(Arc<str>),
    /// Store the object and end the run with this reason.
    Cancel(Arc<str>),
}

impl<S> Next<S> {
    /// Store the object and go to a status that the step declared.
    pub fn go_to(status: S) -> Self {
        Next::GoTo(status)
    }

    /// Leave the run as it is, and do not call again by itself.
    pub fn skip() -> Self {
        Next::Skip
    }

    /// Store the object, stay in this status and be called again.
    pub fn repeat() -> Self {
        Next::Repeat
    }

    /// Store the object and set the run aside, until somebody resumes it.
    pub fn pause(reason: impl Into<Arc<str>>) -> Self {
        Next::Pause(reason.into())
    }

    /// Store the object and end the run.
    pub fn cancel(reason: impl Into<Arc<str>>) -> Self {
        Next::Cancel(reason.into())
    }
}

impl<S: Status> From<S> for Next<S> {
    fn from(status: S) -> Self {
        Next::GoTo(status)
    }
}

/// What a user's function returns: `Step<Status>` for the next status, `Step<Next<Status>>` for everything a run can do.
pub type Step<N> = Result<N, StepError>;

/// Whether a failed function is worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another attempt may succeed: the engine makes it after a back-off.
    Retryable,
    /// No attempt will: the run is paused at once, with the reason.
    Terminal,
}

/// An error of a user's function. `?` makes a retryable one of any error; [`terminal`] and [`retryable`] say which.
///
/// ```
/// use workflow_core::{Step, terminal};
/// fn parse(amount: &str) -> Step<u32> {
///     let amount: u32 = amount.parse()?;
///     if amount == 0 { return Err(terminal("an order of nothing")) }
///     Ok(amount)
/// }
/// assert!(parse("0").is_err());
/// ```
pub struct StepError {
    failure: Failure,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StepError {
    /// Whether another attempt is worth it.
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// The user's error.
    pub fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.source
    }

    /// The error and its causes on one line.
    pub fn reason(&self) -> String {
        let mut text = self.source.to_string();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let line = error.to_string();
            if !text.contains(&line) {
                text.push_str(": ");
                text.push_str(&line);
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.failure, self.reason())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for StepError {
    fn from(error: E) -> Self {
        retryable(error)
    }
}

/// An error that another attempt may not meet; what `?` makes too.
pub fn retryable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
    StepError { failure: Failure::Retryable, source: error.into() }
}

/// An error that every attempt would meet: the run is paused at once, with this reason.
pub fn terminal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
    StepError { failure: Failure::Terminal, source: error.into() }
}
