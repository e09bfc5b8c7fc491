//! How a workflow is put together.

use std::sync::Arc;
use std::time::Duration;

use super::callback::CallbackFn;
use super::connector::{ConnectorFn, ConnectorSource};
use super::draft::{Draft, DraftPart, Part};
use super::parts::{CallbackCall, ConnectorCall, HookCall, StepCall, TimerCall};
use super::step::{HookFn, StepFn};
use super::timer::TimerFn;
use super::{DefinitionErrors, History, Options, OutboxOptions, Schedule, Workflow};
use crate::{RunState, Status};

/// Puts a workflow together; made by [`Workflow::builder`].
///
/// `T` is the object, `S` the status enum and `App` the state that the functions share; all three are found from the
/// functions that are given. [`Builder::with`] and the like say more about the part before them.
#[must_use = "a workflow is made by .build()"]
pub struct Builder<T, S, App> {
    draft: Draft<T, S>,
    /// What waits for the shared state.
    bind: Vec<Bind<T, S, App>>,
}

/// A part that is made when the shared state is known.
type Bind<T, S, App> = Box<dyn FnOnce(&Arc<App>) -> DraftPart<T, S> + Send>;

impl<T, S, App> Builder<T, S, App>
where
    T: Send + Sync + 'static,
    S: Status,
    App: Send + Sync + 'static,
{
    pub(crate) fn new(name: String) -> Self {
        Self { draft: Draft::new(name), bind: Vec::new() }
    }

    /// Adds the step of a status: an async function that takes the run and gives one of the statuses `to`.
    ///
    /// The function is `async fn(&mut Run<T, S>) -> Step<S>`, or the same with `&App` behind if it needs what
    /// [`Builder::state`] shares. It may return a bare status, or `Step<Next<S>>` for everything that a run can do.
    pub fn step<F, M>(mut self, from: S, function: F, to: impl IntoIterator<Item = S>) -> Self
    where
        F: for<'a> StepFn<'a, T, S, App, M>,
        M: 'static,
    {
        let to: Vec<S> = to.into_iter().collect();
        self.bind.push(Box::new(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: StepCall<T, S> = Arc::new(move |run| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(run, &app).await })
            });
            DraftPart::new(Part::Step { from, call, to })
        }));
        self
    }

    /// Adds a callback of a status: an async function that takes the run and a [`Payload`](crate::Payload), called by
    /// [`Client::callback`](crate::Client::callback). A status may have several, which are called in order until one of
    /// them moves the run.
    pub fn callback<F, M>(mut self, from: S, function: F, to: impl IntoIterator<Item = S>) -> Self
    where
        F: for<'a> CallbackFn<'a, T, S, App, M>,
        M: 'static,
    {
        let to: Vec<S> = to.into_iter().collect();
        self.bind.push(Box::new(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: CallbackCall<T, S> = Arc::new(move |run, payload| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(run, payload, &app).await })
            });
            DraftPart::new(Part::Callback { from, call, to, buffered: false })
        }));
        self
    }

    /// Keeps early calls of the callback before this until its status is entered.
    pub fn buffered(self) -> Self {
        self.modify("buffered", "a callback", |part| match &mut part.part {
            Part::Callback { buffered, .. } => {
                *buffered = true;
                true
            }
            _ => false,
        })
    }

    /// Adds a timeout of a status: when the timer is due and the run is still there, the function is called as a step
    /// is. The timer is [`after`](crate::after), [`at`](crate::at), or a function of the run, asked when the status is
    /// entered.
    pub fn timeout<F, M>(
        mut self,
        from: S,
        timer: impl TimerFn<T, S>,
        function: F,
        to: impl IntoIterator<Item = S>,
    ) -> Self
    where
        F: for<'a> StepFn<'a, T, S, App, M>,
        M: 'static,
    {
        let to: Vec<S> = to.into_iter().collect();
        let timer: TimerCall<T, S> = Arc::new(move |run| timer.due(run));
        self.bind.push(Box::new(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: StepCall<T, S> = Arc::new(move |run| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(run, &app).await })
            });
            DraftPart::new(Part::Timeout { from, name: None, timer, call, to })
        }));
        self
    }

    /// Names the timeout before this. Stored timers know their timeout by its name: `timeout-1` for the first of a
    /// status, `timeout-2` for the second, if none is given.
    pub fn named(self, name: impl Into<String>) -> Self {
        let given = name.into();
        self.modify("named", "a timeout", |part| match &mut part.part {
            Part::Timeout { name, .. } => {
                *name = Some(given);
                true
            }
            _ => false,
        })
    }

    /// Calls a function when a run has been paused, by whomever.
    pub fn on_pause<F, M>(self, function: F) -> Self
    where
        F: for<'a> HookFn<'a, T, S, App, M>,
        M: 'static,
    {
        self.hook(RunState::Paused, function)
    }

    /// Calls a function when a run has been cancelled.
    pub fn on_cancel<F, M>(self, function: F) -> Self
    where
        F: for<'a> HookFn<'a, T, S, App, M>,
        M: 'static,
    {
        self.hook(RunState::Cancelled, function)
    }

    /// Calls a function when a run has reached a terminal status.
    pub fn on_complete<F, M>(self, function: F) -> Self
    where
        F: for<'a> HookFn<'a, T, S, App, M>,
        M: 'static,
    {
        self.hook(RunState::Completed, function)
    }

    fn hook<F, M>(mut self, run_state: RunState, function: F) -> Self
    where
        F: for<'a> HookFn<'a, T, S, App, M>,
        M: 'static,
    {
        self.bind.push(Box::new(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: HookCall<T, S> = Arc::new(move |run| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(run, &app).await })
            });
            DraftPart::new(Part::Hook { run_state, call })
        }));
        self
    }

    /// Feeds the events of a source into a function that can trigger, call back and cancel.
    pub fn connector<F, M>(
        mut self,
        name: impl Into<String>,
        source: impl ConnectorSource,
        function: F,
    ) -> Self
    where
        F: for<'a> ConnectorFn<'a, T, S, App, M>,
        M: 'static,
    {
        let (name, source) = (name.into(), Arc::new(source));
        self.bind.push(Box::new(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: ConnectorCall<T, S> = Arc::new(move |api, event| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(api, event, &app).await })
            });
            DraftPart::new(Part::Connector { name, source, call })
        }));
        self
    }

    /// Starts runs by itself.
    pub fn schedule(mut self, schedule: Schedule<T, S>) -> Self {
        self.draft.schedules.push(schedule);
        self
    }

    /// What deletes the personal parts of an object, instead of all of it, when a run's data is deleted.
    pub fn delete_with(mut self, delete: impl Fn(&mut T) + Send + Sync + 'static) -> Self {
        self.draft.delete = Some(Arc::new(delete));
        self
    }

    /// Sets options of the part before this: a step, timeout, hook or connector.
    pub fn with(self, options: Options) -> Self {
        self.modify("with", "a step, timeout, hook or connector", |part| {
            part.options = Some(options.inherit(&part.options.take().unwrap_or_default()));
            !matches!(part.part, Part::Callback { .. })
        })
    }

    /// Sets options of all parts, wherever they stand; what a part says itself goes before.
    pub fn options(mut self, options: Options) -> Self {
        self.draft.options = options.inherit(&self.draft.options);
        self
    }

    /// Starts runs in this status; by default, in the one that the first step, callback or timeout takes.
    pub fn start_at(mut self, status: S) -> Self {
        self.draft.start = Some(status);
        self
    }

    /// Resumes a run that the engine paused, because its function kept failing, after so long; 1 h by default.
    pub fn resume_after(mut self, pause: Duration) -> Self {
        self.draft.resume_after = Some(pause);
        self
    }

    /// Leaves a run that the engine paused to an operator.
    pub fn never_resume(mut self) -> Self {
        self.draft.resume_after = None;
        self
    }

    /// Sets how the relay inside the process reads the outbox.
    pub fn outbox(mut self, options: OutboxOptions) -> Self {
        self.draft.outbox = options;
        self
    }

    /// Sets what is kept of each commit; one row by default.
    pub fn history(mut self, history: History) -> Self {
        self.draft.history = history;
        self
    }

    /// Looks so often for runs that nothing drives, among those that were not touched for as long; 60 s by default.
    pub fn reconcile_every(mut self, period: Duration) -> Self {
        self.draft.reconcile_every = period;
        self
    }

    /// Gives the functions the state that they share: what `&App` is in their last parameter.
    pub fn state(self, app: App) -> Builder<T, S, ()> {
        let app = Arc::new(app);
        let mut draft = self.draft;
        draft.parts.extend(self.bind.into_iter().map(|bind| bind(&app)));
        Builder { draft, bind: Vec::new() }
    }

    /// Changes the part before; notes a problem if there is none that fits.
    fn modify(
        mut self,
        modifier: &'static str,
        follows: &'static str,
        change: impl FnOnce(&mut DraftPart<T, S>) -> bool + Send + 'static,
    ) -> Self
    where
        T: 'static,
    {
        let misplaced = super::Problem::Misplaced { modifier, follows };
        match self.bind.pop() {
            Some(bind) => self.bind.push(Box::new(move |app| {
                let mut part = bind(app);
                if !change(&mut part) {
                    part.problems.push(misplaced);
                }
                part
            })),
            None => match self.draft.parts.last_mut() {
                Some(part) => {
                    if !change(part) {
                        part.problems.push(misplaced);
                    }
                }
                None => self.draft.problems.push(misplaced),
            },
        }
        self
    }
}

impl<T, S> Builder<T, S, ()>
where
    T: Send + Sync + 'static,
    S: Status,
{
    /// Checks the whole and makes the workflow. Functions that take `&App` need [`Builder::state`] before.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn build(self) -> Result<Workflow<T, S>, DefinitionErrors> {
        self.state(()).draft.finish().map(Workflow::new)
    }
}
