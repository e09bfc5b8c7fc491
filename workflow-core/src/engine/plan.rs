//! Names and topics of a workflow, made once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::definition::Definition;
use crate::{GroupName, ProcessName, RunState, Status, StatusCode, TimerName, Topic, fnv1a_32};

/// What every transition needs and what would otherwise be made again for each.
pub(crate) struct Plan {
    statuses: HashMap<StatusCode, StatusPlan>,
    pub(crate) run_state_changes: Topic,
    pub(crate) deletions: Topic,
    pub(crate) deletion_process: ProcessName,
    pub(crate) resume_process: ProcessName,
    hooks: Vec<(RunState, ProcessName)>,
}

/// What is known of one status.
pub(crate) struct StatusPlan {
    pub(crate) topic: Topic,
    pub(crate) name: Arc<str>,
    pub(crate) terminal: bool,
    pub(crate) has_timeouts: bool,
    pub(crate) has_step: bool,
    /// Whether early callbacks may be waiting for it.
    pub(crate) has_inbox: bool,
    /// The processes that may have retry rows of a run that is in it.
    pub(crate) retried_by: Vec<ProcessName>,
    /// The process that sets its timers.
    pub(crate) inserter: ProcessName,
}

/// The name under which the attempts of one of a status's timers are counted.
pub(crate) fn timer_process(timeouts: &ProcessName, timer: &TimerName) -> ProcessName {
    let short = || format!("{timeouts}/{:08x}", fnv1a_32(timer.as_str().as_bytes()));
    ProcessName::new(format!("{timeouts}/{timer}"))
        .or_else(|_| ProcessName::new(short()))
        .expect("build() checks the longer name of the status's auto-inserter, which leaves room for these")
}

/// Whether a retry row's process is that of these timeouts, or of one of their timers.
pub(crate) fn is_retry_of(process: &ProcessName, timeouts: &ProcessName) -> bool {
    let rest = process.as_str().strip_prefix(timeouts.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The name under which a group's errors and retries are counted.
pub(crate) fn process_name(group: &GroupName) -> ProcessName {
    ProcessName::new(group.as_str()).expect("build() checks that the groups' names fit their columns")
}

impl Plan {
    pub(crate) fn new<T, S: Status>(definition: &Definition<T, S>) -> Self {
        let name = &definition.name;
        let status_plan = |status: &S| {
            let code = status.code();
            let plan = StatusPlan {
                topic: Topic::of_status(name, code),
                name: status.name().into(),
                terminal: definition.graph.is_terminal(code),
                has_timeouts: definition.timeouts_of(code).next().is_some(),
                has_step: definition.step(code).is_some(),
                has_inbox: definition.callbacks_of(code).any(|part| part.buffered),
                retried_by: retried_by(definition, code),
                inserter: process_name(&GroupName::of_timeout_inserter(name, code)),
            };
            (code, plan)
        };
        let hook = |state| (state, process_name(&GroupName::of_hook(name, state)));
        Self {
            statuses: S::ALL.iter().map(status_plan).collect(),
            run_state_changes: Topic::of_run_state_changes(name),
            deletions: Topic::of_deletions(name),
            deletion_process: process_name(&GroupName::of_deletions(name)),
            resume_process: process_name(&GroupName::of_paused_retry(name)),
            hooks: definition.hooks.iter().map(|part| hook(part.run_state)).collect(),
        }
    }

    pub(crate) fn status(&self, code: StatusCode) -> Option<&StatusPlan> {
        self.statuses.get(&code)
    }

    /// Where the event of a record goes. A status of another program is none of ours, but has a topic all the same.
    pub(crate) fn topic(&self, name: &crate::WorkflowName, state: RunState, status: StatusCode) -> Topic {
        match state {
            RunState::RequestedDataDeleted => self.deletions.clone(),
            RunState::Paused | RunState::Cancelled | RunState::DataDeleted | RunState::Completed => {
                self.run_state_changes.clone()
            }
            RunState::Unknown | RunState::Initiated | RunState::Running => {
                self.status(status).map_or_else(|| Topic::of_status(name, status), |plan| plan.topic.clone())
            }
        }
    }

    /// Every topic that an event of the workflow may go to.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Topic> {
        let of_statuses = self.statuses.values().filter(|plan| !plan.terminal).map(|plan| &plan.topic);
        of_statuses.chain([&self.run_state_changes, &self.deletions])
    }

    /// The process that takes the hook on a run state.
    pub(crate) fn hook(&self, state: RunState) -> Option<&ProcessName> {
        self.hooks.iter().find(|(on, _)| *on == state).map(|(_, process)| process)
    }
}

fn retried_by<T, S: Status>(definition: &Definition<T, S>, code: StatusCode) -> Vec<ProcessName> {
    let name = &definition.name;
    let mut processes = Vec::new();
    if definition.step(code).is_some() {
        processes.push(process_name(&GroupName::of_step(name, code)));
    }
    if definition.callbacks_of(code).any(|part| part.buffered) {
        processes.push(process_name(&GroupName::of_inbox(name, code)));
    }
    let timeouts = process_name(&GroupName::of_timeouts(name, code));
    for part in definition.timeouts_of(code) {
        processes.push(timer_process(&timeouts, &part.name));
    }
    if definition.timeouts_of(code).next().is_some() {
        processes.push(process_name(&GroupName::of_timeout_inserter(name, code)));
    }
    processes
}
