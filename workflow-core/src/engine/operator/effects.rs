//! What goes with an operator's move, as far as names alone tell it.

use std::sync::Arc;
use std::time::Duration;

use super::super::moves::emission;
use super::OperatorError;
use crate::adapter::{Change, Effect, RetryKey, RetryRow, RetryUpdate};
use crate::{Due, Event, GroupName, ProcessName, Record, RunState, Topic};

/// Deletes the retry rows of what the run waits for. A hook on a state that it has left is owed all the same. Those of
/// timers, whose names only the definition knows, are dropped by the workers: they are of a version that is gone.
pub(super) fn forgotten(record: &Record) -> Vec<Effect> {
    let processes = waited_for(record).into_iter();
    processes.map(|process| Effect::DeleteRetry(key(record, process))).collect()
}

/// The processes that may have a retry row of a run's present version.
pub(super) fn retriers(record: &Record) -> Vec<ProcessName> {
    let mut processes = waited_for(record);
    if !matches!(record.run_state, RunState::Initiated | RunState::Unknown) {
        processes.extend(process(&GroupName::of_hook(&record.workflow_name, record.run_state)));
    }
    processes
}

fn waited_for(record: &Record) -> Vec<ProcessName> {
    let (name, status) = (&record.workflow_name, record.status);
    let groups = match record.run_state {
        RunState::Paused => vec![GroupName::of_paused_retry(name)],
        RunState::RequestedDataDeleted => vec![GroupName::of_deletions(name)],
        RunState::Initiated | RunState::Running | RunState::Unknown => vec![
            GroupName::of_step(name, status),
            GroupName::of_inbox(name, status),
            GroupName::of_timeout_inserter(name, status),
        ],
        RunState::Cancelled | RunState::Completed | RunState::DataDeleted => Vec::new(),
    };
    groups.iter().filter_map(process).collect()
}

/// The name under which a group's retries are counted; none if it is longer than any that a definition may have.
pub(super) fn process(group: &GroupName) -> Option<ProcessName> {
    ProcessName::new(group.as_str()).ok()
}

pub(super) fn key(record: &Record, process: ProcessName) -> RetryKey {
    RetryKey { run_id: record.run_id, version: record.version, process }
}

/// Makes a retry row due, with all that it has counted.
pub(super) fn due_now(row: &RetryRow) -> Effect {
    Effect::ReplaceRetry(RetryUpdate {
        key: row.key.clone(),
        attempt: row.attempt,
        due: Some(Due::In(Duration::ZERO)),
        last_error: Arc::clone(&row.last_error),
        event: Arc::clone(&row.event),
    })
}

/// Sends the event of a run's present version again, if somebody is to work on it.
pub(super) fn event_again(record: &Record) -> Result<Change, OperatorError> {
    let (run_id, run_state) = (record.run_id, record.run_state);
    match run_state {
        RunState::Initiated | RunState::Running | RunState::RequestedDataDeleted => {
            let topic = Topic::of_record(&record.workflow_name, run_state, record.status);
            Ok(emission(run_id, record.version, Event::of_record(record, topic)))
        }
        _ => Err(OperatorError::NothingToRetry { run_id, run_state }),
    }
}
