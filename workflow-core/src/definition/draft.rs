//! A definition that has not been checked yet, and the checks.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::check;
use super::connector::ConnectorSource;
use super::parts::{
    CallbackCall, CallbackPart, ConnectorCall, ConnectorPart, Definition, DeleteCall, HookCall, HookPart,
    Reconcile, SchedulePart, StepCall, StepPart, TimeoutPart, TimerCall,
};
use super::{
    DefinitionErrors, EdgeKind, Graph, History, Options, OutboxOptions, PauseAfter, Problem, Schedule,
};
use crate::{Error, RunState, Status, TimerName, WorkflowName, normal_name};

/// After how long a run that the engine paused is resumed, if nothing else is said.
const RESUME_AFTER: Duration = Duration::from_secs(3600);

/// How often a connector's function may fail at an event before it is set aside: what comes after it waits meanwhile, a
/// quarter of a minute at most.
const CONNECTOR_ERRORS: PauseAfter = PauseAfter::Errors(NonZeroU32::new(5).expect("5 is not zero"));

/// How often runs that nothing drives are looked for, if nothing else is said.
const RECONCILE_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct Draft<T, S> {
    pub(crate) name: String,
    pub(crate) parts: Vec<DraftPart<T, S>>,
    pub(crate) schedules: Vec<Schedule<T, S>>,
    pub(crate) options: Options,
    pub(crate) start: Option<S>,
    pub(crate) delete: Option<DeleteCall<T>>,
    pub(crate) resume_after: Option<Duration>,
    pub(crate) outbox: OutboxOptions,
    pub(crate) history: History,
    pub(crate) reconcile_every: Duration,
    pub(crate) problems: Vec<Problem>,
}

/// A part with what was said about it.
pub(crate) struct DraftPart<T, S> {
    pub(crate) part: Part<T, S>,
    pub(crate) options: Option<Options>,
    pub(crate) problems: Vec<Problem>,
}

pub(crate) enum Part<T, S> {
    Step { from: S, call: StepCall<T, S>, to: Vec<S> },
    Callback { from: S, call: CallbackCall<T, S>, to: Vec<S>, buffered: bool },
    Timeout { from: S, name: Option<String>, timer: TimerCall<T, S>, call: StepCall<T, S>, to: Vec<S> },
    Hook { run_state: RunState, call: HookCall<T, S> },
    Connector { name: String, source: Arc<dyn ConnectorSource>, call: ConnectorCall<T, S> },
}

impl<T, S> DraftPart<T, S> {
    pub(crate) fn new(part: Part<T, S>) -> Self {
        Self { part, options: None, problems: Vec::new() }
    }
}

impl<T, S: Status> Part<T, S> {
    /// Where runs come from and go to by it, and how.
    pub(crate) fn arrows(&self) -> Option<(S, &[S], EdgeKind)> {
        match self {
            Part::Step { from, to, .. } => Some((*from, to, EdgeKind::Step)),
            Part::Callback { from, to, .. } => Some((*from, to, EdgeKind::Callback)),
            Part::Timeout { from, to, .. } => Some((*from, to, EdgeKind::Timeout)),
            Part::Hook { .. } | Part::Connector { .. } => None,
        }
    }

    /// What it is called in a problem.
    pub(crate) fn describe(&self) -> String {
        match self {
            Part::Step { from, .. } => format!("the step of {}", from.name()),
            Part::Callback { from, .. } => format!("the callback of {}", from.name()),
            Part::Timeout { from, .. } => format!("the timeout of {}", from.name()),
            Part::Hook { run_state, .. } => format!("the hook on {run_state}"),
            Part::Connector { name, .. } => format!("connector {name:?}"),
        }
    }
}

impl<T, S: Status> Draft<T, S> {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            parts: Vec::new(),
            schedules: Vec::new(),
            options: Options::new(),
            start: None,
            delete: None,
            resume_after: Some(RESUME_AFTER),
            outbox: OutboxOptions::default(),
            history: History::On,
            reconcile_every: RECONCILE_EVERY,
            problems: Vec::new(),
        }
    }

    /// Checks everything and makes the definition, or says everything that is wrong.
    pub(crate) fn finish(mut self) -> Result<Definition<T, S>, DefinitionErrors> {
        let mut problems = std::mem::take(&mut self.problems);
        for part in &mut self.parts {
            problems.append(&mut part.problems);
        }
        let name = WorkflowName::new(self.name.as_str()).map_err(|error| problems.push(error.into())).ok();
        check::all(&self, name.as_ref(), &mut problems);
        let schedules = self.take_schedules(&mut problems);
        let (Some(name), Some(start), true) = (name, check::start_of(&self), problems.is_empty()) else {
            return Err(DefinitionErrors { workflow: self.name, problems });
        };
        let arrows = self.parts.iter().filter_map(|part| part.part.arrows());
        let arrows = arrows.flat_map(|(from, to, kind)| to.iter().map(move |to| (from, *to, kind)));
        let mut definition = Definition {
            graph: Graph::new(start, arrows),
            name,
            start,
            steps: Vec::new(),
            callbacks: Vec::new(),
            timeouts: Vec::new(),
            hooks: Vec::new(),
            connectors: Vec::new(),
            schedules,
            delete: self.delete,
            delete_options: self.options.resolve(),
            resume_after: self.resume_after,
            outbox: self.outbox,
            history: self.history,
            reconcile: Reconcile { every: self.reconcile_every, untouched_for: self.reconcile_every },
        };
        for part in self.parts {
            definition.add(part, &self.options);
        }
        Ok(definition)
    }

    fn take_schedules(&mut self, problems: &mut Vec<Problem>) -> Vec<Arc<SchedulePart<T, S>>> {
        let mut parts: Vec<Arc<SchedulePart<T, S>>> = Vec::new();
        for schedule in self.schedules.drain(..) {
            match schedule.into_part() {
                Ok(part) => {
                    // Their roles must differ, and roles do not tell upper case from lower.
                    let role = |part: &SchedulePart<T, S>| {
                        (normal_name(part.foreign_id.as_str()), normal_name(part.spec.as_str()))
                    };
                    let same = |other: &Arc<SchedulePart<T, S>>| role(other) == role(&part);
                    if parts.iter().any(same) {
                        let name = format!("{} {}", part.foreign_id, part.spec.as_str());
                        problems.push(Problem::DuplicateName { kind: "schedules", name });
                    }
                    parts.push(Arc::new(part));
                }
                Err(Error::Cron(error)) => problems.push(error.into()),
                Err(Error::Name(error)) => problems.push(error.into()),
                Err(_) => unreachable!("a schedule has a name and a spec, and nothing else to be wrong"),
            }
        }
        parts
    }
}

/// The name of a status's timeouts that have none of their own.
pub(crate) fn timeout_name(number: usize) -> String {
    format!("timeout-{number}")
}

impl<T, S: Status> Definition<T, S> {
    /// Adds a part that has been checked.
    fn add(&mut self, part: DraftPart<T, S>, inherited: &Options) {
        let mut options = part.options.unwrap_or_default().inherit(inherited);
        if matches!(part.part, Part::Connector { .. }) {
            options.pause_after = options.pause_after.or(Some(CONNECTOR_ERRORS));
        }
        let options = options.resolve();
        match part.part {
            Part::Step { from, call, to } => self.steps.push(StepPart { from, call, to, options }),
            Part::Callback { from, call, to, buffered } => {
                self.callbacks.push(CallbackPart { from, call, to, buffered });
            }
            Part::Timeout { from, name, timer, call, to } => {
                let number = self.timeouts_of(from.code()).count() + 1;
                let name = name.unwrap_or_else(|| timeout_name(number));
                let name = TimerName::new(name).expect("names of timeouts have been checked");
                // A timeout has one owner, whatever the workflow's other processes have.
                let options =
                    super::ProcessOptions { shards: NonZeroU32::MIN, consume_lag: Duration::ZERO, ..options };
                self.timeouts.push(TimeoutPart { from, name, timer, call, to, options });
            }
            Part::Hook { run_state, call } => self.hooks.push(HookPart { run_state, call, options }),
            Part::Connector { name, source, call } => {
                self.connectors.push(ConnectorPart { name: name.into(), source, call, options });
            }
        }
    }
}
