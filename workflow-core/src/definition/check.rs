//! The checks of a definition.

use std::collections::HashSet;
use std::time::Duration;

use super::draft::{Draft, Part, timeout_name};
use super::problem::Problem;
use super::{History, Options, Schedule};
use crate::{
    GroupName, InvalidName, ProcessName, Status, StatusCode, TimerName, Topic, WorkflowName, normal_name,
};

/// The longest role that fits its column, in bytes.
const ROLE_BYTES_MAX: usize = 255;

/// The status in which runs start.
pub(super) fn start_of<T, S: Status>(draft: &Draft<T, S>) -> Option<S> {
    let first = || draft.parts.iter().find_map(|part| part.part.arrows().map(|(from, _, _)| from));
    draft.start.or_else(first)
}

/// Everything that can be wrong.
pub(super) fn all<T, S: Status>(
    draft: &Draft<T, S>,
    name: Option<&WorkflowName>,
    problems: &mut Vec<Problem>,
) {
    numbers::<S>(problems);
    for part in &draft.parts {
        destinations(&part.part, problems);
        options(&part.part.describe(), part.options.as_ref(), problems);
        if let Some(own) = &part.options {
            not_for_this(&part.part, own, problems);
        }
    }
    options("the workflow's options", Some(&draft.options), problems);
    duplicates(draft, problems);
    connector_names(draft, problems);
    timeout_names(draft, problems);
    reachability(draft, problems);
    if draft.reconcile_every.is_zero() {
        problems.push(bad_option("the workflow", "reconcile_every", &Duration::ZERO, "use a minute or so"));
    }
    for part in &draft.parts {
        if draft.history == History::Off && matches!(part.part, Part::Callback { buffered: true, .. }) {
            let advice = "keep the history: by it a late callback is told from an early one";
            problems.push(bad_option(&part.part.describe(), "buffered", &"set, and the history off", advice));
        }
    }
    if draft.outbox.batch == 0 {
        problems.push(bad_option("the outbox", "batch", &0, "use 1 or more"));
    }
    if let Some(name) = name {
        names(draft, name, problems);
    }
}

fn numbers<S: Status>(problems: &mut Vec<Problem>) {
    for (at, status) in S::ALL.iter().enumerate() {
        let code = status.code();
        if code.get() < 1 {
            problems.push(Problem::Reserved { status: status.name(), code: code.get() });
        }
        if let Some(first) = S::ALL[..at].iter().find(|other| other.code() == code) {
            problems.push(Problem::SameNumber {
                first: first.name(),
                second: status.name(),
                code: code.get(),
            });
        }
    }
}

fn destinations<T, S: Status>(part: &Part<T, S>, problems: &mut Vec<Problem>) {
    let Some((from, to, _)) = part.arrows() else { return };
    let listed = |status: S| S::ALL.iter().any(|each| each.code() == status.code());
    for status in std::iter::once(from).chain(to.iter().copied()).filter(|status| !listed(*status)) {
        problems.push(Problem::UnknownStatus { part: part.describe(), status: status.name() });
    }
    if to.is_empty() {
        problems.push(Problem::NoDestination { part: part.describe() });
    }
    for (at, status) in to.iter().enumerate() {
        if to[..at].iter().any(|other| other.code() == status.code()) {
            problems.push(Problem::DuplicateDestination { part: part.describe(), status: status.name() });
        }
    }
}

fn bad_option(
    part: &str,
    option: &'static str,
    value: &dyn std::fmt::Debug,
    advice: &'static str,
) -> Problem {
    Problem::Option { part: part.to_owned(), option, value: format!("{value:?}"), advice }
}

fn options(part: &str, options: Option<&Options>, problems: &mut Vec<Problem>) {
    let Some(options) = options else { return };
    if options.shards == Some(0) {
        problems.push(bad_option(part, "shards", &0, "use 1 or more"));
    }
    if options.in_flight == Some(0) {
        problems.push(bad_option(part, "in_flight", &0, "use 1 or more"));
    }
    if options.poll_every == Some(Duration::ZERO) {
        problems.push(bad_option(part, "poll_every", &Duration::ZERO, "use a second or so"));
    }
    if options.attempt_timeout == Some(Some(Duration::ZERO)) {
        problems.push(bad_option(part, "attempt_timeout", &Duration::ZERO, "no attempt could end in it"));
    }
    if options.pause_after_zero {
        problems.push(bad_option(part, "pause_after", &0, "use 1 or more, or never_pause()"));
    }
    if let Some(retry) = options.retry.filter(|retry| retry.base > retry.cap) {
        problems.push(bad_option(part, "retry", &retry, "the base must not be longer than the cap"));
    }
}

/// Timeouts and hooks have one owner; a timer is due when it is due.
fn not_for_this<T, S: Status>(part: &Part<T, S>, own: &Options, problems: &mut Vec<Problem>) {
    let kind = match part {
        Part::Timeout { .. } => "a timeout",
        Part::Hook { .. } => "a hook",
        Part::Step { .. } | Part::Callback { .. } | Part::Connector { .. } => return,
    };
    let not = |option| Problem::NotForThis { part: part.describe(), option, kind };
    if own.shards.is_some() {
        problems.push(not("shards"));
    }
    if own.consume_lag.is_some() && matches!(part, Part::Timeout { .. }) {
        problems.push(not("consume_lag"));
    }
}

fn duplicates<T, S: Status>(draft: &Draft<T, S>, problems: &mut Vec<Problem>) {
    let (mut steps, mut hooks, mut connectors) = (HashSet::new(), HashSet::new(), HashSet::new());
    for part in &draft.parts {
        match &part.part {
            Part::Step { from, .. } if !steps.insert(from.code()) => {
                problems.push(Problem::DuplicateStep { status: from.name() });
            }
            Part::Hook { run_state, .. } if !hooks.insert(*run_state) => {
                problems.push(Problem::DuplicateHook { run_state: run_state.name() });
            }
            Part::Connector { name, .. } if !connectors.insert(normal_name(name)) => {
                problems.push(Problem::DuplicateName { kind: "connectors", name: name.clone() });
            }
            _ => {}
        }
    }
}

/// A connector's name is part of the names of its roles.
fn connector_names<T, S: Status>(draft: &Draft<T, S>, problems: &mut Vec<Problem>) {
    for part in &draft.parts {
        if let Part::Connector { name, .. } = &part.part
            && let Err(error) = ProcessName::new(name.as_str())
        {
            problems.push(InvalidName { what: "connector name", ..error }.into());
        }
    }
}

fn timeout_names<T, S: Status>(draft: &Draft<T, S>, problems: &mut Vec<Problem>) {
    let mut taken: HashSet<(StatusCode, String)> = HashSet::new();
    let mut counts = std::collections::HashMap::new();
    for part in &draft.parts {
        let Part::Timeout { from, name, .. } = &part.part else { continue };
        let count = counts.entry(from.code()).or_insert(0_usize);
        *count += 1;
        let name = name.clone().unwrap_or_else(|| timeout_name(*count));
        if let Err(error) = TimerName::new(name.as_str()) {
            problems.push(error.into());
        }
        if !taken.insert((from.code(), name.clone())) {
            problems.push(Problem::DuplicateName { kind: "timeouts of one status", name });
        }
    }
}

/// From where runs start to everything, and to an end.
fn reachability<T, S: Status>(draft: &Draft<T, S>, problems: &mut Vec<Problem>) {
    let arrows: Vec<(S, &[S])> =
        draft.parts.iter().filter_map(|part| part.part.arrows().map(|(from, to, _)| (from, to))).collect();
    let Some(start) = start_of(draft).filter(|_| !arrows.is_empty()) else {
        return problems.push(Problem::Empty);
    };
    let leaves = |code: StatusCode| arrows.iter().any(|(from, _)| from.code() == code);
    let mut starts: Vec<S> = vec![start];
    starts.extend(draft.schedules.iter().filter_map(Schedule::first_status));
    let mut reached: HashSet<StatusCode> = HashSet::new();
    for status in &starts {
        if reached.insert(status.code()) && !leaves(status.code()) {
            problems.push(Problem::StartIsTerminal { status: status.name() });
        }
    }
    let mut used: Vec<S> = starts;
    used.extend(arrows.iter().flat_map(|(from, to)| std::iter::once(*from).chain(to.iter().copied())));
    if used.iter().all(|status| leaves(status.code())) {
        problems.push(Problem::NoTerminalStatus);
    }
    let mut frontier: Vec<StatusCode> = reached.iter().copied().collect();
    while let Some(code) = frontier.pop() {
        for (_, to) in arrows.iter().filter(|(from, _)| from.code() == code) {
            frontier.extend(to.iter().map(|status| status.code()).filter(|code| reached.insert(*code)));
        }
    }
    for status in S::ALL.iter().filter(|status| !reached.contains(&status.code())) {
        problems.push(Problem::Unreachable { status: status.name(), start: start.name() });
    }
}

/// Topics and roles that do not fit where they go.
fn names<T, S: Status>(draft: &Draft<T, S>, name: &WorkflowName, problems: &mut Vec<Problem>) {
    // All topics begin with the workflow's name and differ in a few digits: one tells for all.
    if let Err(error) = Topic::of_run_state_changes(name).check() {
        problems.push(error.into());
    }
    let mut check = |role: String| {
        if role.len() > ROLE_BYTES_MAX {
            problems.push(Problem::RoleTooLong { bytes: role.len(), bytes_max: ROLE_BYTES_MAX, role });
        }
    };
    for part in &draft.parts {
        if let Part::Connector { name: connector, .. } = &part.part {
            check(GroupName::of_connector(connector, name).to_string() + "-100-of-100");
        }
    }
    for schedule in &draft.schedules {
        check(schedule.role(name));
    }
}
