//! The parts of a finished definition, with the user's functions erased.

use std::sync::Arc;
use std::time::Duration;

use super::options::ProcessOptions;
use super::{Api, ConnectorSource, CronSpec, Graph, OutboxOptions};
use crate::adapter::{BoxFuture, ConnectorEvent};
use crate::{Due, ForeignId, Next, Run, RunState, StatusCode, StepError, TimerName, WorkflowName};

/// An erased step or timeout function.
pub(crate) type StepCall<T, S> =
    Arc<dyn for<'a> Fn(&'a mut Run<T, S>) -> BoxFuture<'a, Result<Next<S>, StepError>> + Send + Sync>;

/// An erased callback function.
pub(crate) type CallbackCall<T, S> = Arc<
    dyn for<'a> Fn(&'a mut Run<T, S>, super::Payload) -> BoxFuture<'a, Result<Next<S>, StepError>>
        + Send
        + Sync,
>;

/// An erased hook.
pub(crate) type HookCall<T, S> =
    Arc<dyn for<'a> Fn(&'a mut Run<T, S>) -> BoxFuture<'a, Result<(), StepError>> + Send + Sync>;

/// An erased timer function.
pub(crate) type TimerCall<T, S> = Arc<dyn Fn(&Run<T, S>) -> Result<Option<Due>, StepError> + Send + Sync>;

/// An erased connector function.
pub(crate) type ConnectorCall<T, S> = Arc<
    dyn for<'a> Fn(&'a Api<T, S>, &'a ConnectorEvent) -> BoxFuture<'a, Result<(), StepError>> + Send + Sync,
>;

/// The user's own deletion: what it leaves of an object stays.
pub(crate) type DeleteCall<T> = Arc<dyn Fn(&mut T) + Send + Sync>;

/// Everything that a workflow is. Built once, never changed.
pub(crate) struct Definition<T, S> {
    pub(crate) name: WorkflowName,
    pub(crate) graph: Graph,
    pub(crate) start: S,
    pub(crate) steps: Vec<StepPart<T, S>>,
    pub(crate) callbacks: Vec<CallbackPart<T, S>>,
    pub(crate) timeouts: Vec<TimeoutPart<T, S>>,
    pub(crate) hooks: Vec<HookPart<T, S>>,
    pub(crate) connectors: Vec<ConnectorPart<T, S>>,
    pub(crate) schedules: Vec<Arc<SchedulePart<T, S>>>,
    /// What the user's own deletion leaves of an object; `None` leaves nothing.
    pub(crate) delete: Option<DeleteCall<T>>,
    pub(crate) delete_options: ProcessOptions,
    /// After how long a run that the engine paused is resumed; `None` never.
    pub(crate) resume_after: Option<Duration>,
    pub(crate) outbox: OutboxOptions,
    pub(crate) history: History,
    pub(crate) reconcile: Reconcile,
}

/// What is kept of each commit.
///
/// ```
/// # use workflow_shop::*;
/// # example!(
/// let orders = Workflow::builder("orders")
///     .step(Placed, pay, [Paid, Declined, Shipped])
///     .history(History::Off)
///     .build()?;
/// let running = orders.run(Memory::new()).await?;
/// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
/// running.wait_for(&run).finished().await?;
/// assert!(running.history(&run).await?.is_empty());
/// # );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// One row a commit.
    On,
    /// One row a commit, with the object as it was stored.
    WithObjects,
    /// Nothing; then `wait_for` a status sees only statuses that the run is in when it looks.
    Off,
}

/// How often runs that nothing drives are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reconcile {
    pub(crate) every: Duration,
    pub(crate) untouched_for: Duration,
}

pub(crate) struct StepPart<T, S> {
    pub(crate) from: S,
    pub(crate) call: StepCall<T, S>,
    pub(crate) to: Vec<S>,
    pub(crate) options: ProcessOptions,
}

pub(crate) struct CallbackPart<T, S> {
    pub(crate) from: S,
    pub(crate) call: CallbackCall<T, S>,
    pub(crate) to: Vec<S>,
    /// Whether an early one is kept until the status is entered.
    pub(crate) buffered: bool,
}

pub(crate) struct TimeoutPart<T, S> {
    pub(crate) from: S,
    pub(crate) name: TimerName,
    pub(crate) timer: TimerCall<T, S>,
    pub(crate) call: StepCall<T, S>,
    pub(crate) to: Vec<S>,
    pub(crate) options: ProcessOptions,
}

pub(crate) struct HookPart<T, S> {
    pub(crate) run_state: RunState,
    pub(crate) call: HookCall<T, S>,
    pub(crate) options: ProcessOptions,
}

pub(crate) struct ConnectorPart<T, S> {
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<dyn ConnectorSource>,
    pub(crate) call: ConnectorCall<T, S>,
    pub(crate) options: ProcessOptions,
}

pub(crate) struct SchedulePart<T, S> {
    pub(crate) foreign_id: ForeignId,
    pub(crate) spec: CronSpec,
    pub(crate) start: Option<S>,
    /// Makes the object of each run.
    pub(crate) object: Arc<dyn Fn() -> T + Send + Sync>,
    /// Whether a slot is taken at all.
    pub(crate) filter: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl<T, S: crate::Status> Definition<T, S> {
    /// How long the most patient part lets its function go on after it was told to stop.
    pub(crate) fn longest_grace(&self) -> Duration {
        let steps = self.steps.iter().map(|part| &part.options);
        let timeouts = self.timeouts.iter().map(|part| &part.options);
        let hooks = self.hooks.iter().map(|part| &part.options);
        steps.chain(timeouts).chain(hooks).map(|options| options.cancel_grace).max().unwrap_or_default()
    }

    /// The step that runs in a status.
    pub(crate) fn step(&self, status: StatusCode) -> Option<&StepPart<T, S>> {
        self.steps.iter().find(|part| part.from.code() == status)
    }

    /// The callbacks of a status, in the order in which they are called.
    pub(crate) fn callbacks_of(&self, status: StatusCode) -> impl Iterator<Item = &CallbackPart<T, S>> {
        self.callbacks.iter().filter(move |part| part.from.code() == status)
    }

    /// The timeouts of a status.
    pub(crate) fn timeouts_of(&self, status: StatusCode) -> impl Iterator<Item = &TimeoutPart<T, S>> {
        self.timeouts.iter().filter(move |part| part.from.code() == status)
    }
}
