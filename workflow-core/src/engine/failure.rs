//! Failures are data: a retry row with a back-off, a pause with a reason, or a dead letter.

use std::sync::Arc;

use bytes::Bytes;

use super::core::{Core, Object};
use super::moves::Stamp;
use super::work::{Made, Task};
use crate::adapter::{
    BackendError, Change, DeadLetter, Effect, Expect, RetryKey, RetryUpdate, TraceContext, Unreadable,
};
use crate::definition::{PauseAfter, ProcessOptions};
use crate::{Actor, Due, Failure, Move, PausedBy, ProcessName, Status, StepError, Transition, WorkflowName};

/// The longest reason that is kept, in bytes; an error can carry a whole document.
const REASON_BYTES_MAX: usize = 2000;

/// How long the id of a dead letter may be: a longer one cannot be stored, and its message would hold up the topic for ever.
const LETTER_ID_BYTES_MAX: usize = 255;

/// What happens when no attempt is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivingUp {
    /// The run is paused, with the reason.
    Pauses,
    /// The event becomes a dead letter: its run has ended and cannot be paused.
    SetsAside,
}

impl<T: Object, S: Status> Core<T, S> {
    /// What becomes of an event whose work failed, given how often it has failed before.
    pub(crate) async fn failed(
        &self,
        process: &ProcessName,
        options: &ProcessOptions,
        giving_up: GivingUp,
        task: &Task,
        error: &StepError,
    ) -> Made {
        let key = RetryKey { run_id: task.record.run_id, version: task.version(), process: process.clone() };
        let attempt = match self.attempt_of(&key, task).await {
            Ok(attempt) => attempt,
            Err(error) => return Made::later(&error, "the retry row"),
        };
        let reason = shorten(&error.reason());
        tracing::warn!(
            run_id = %key.run_id, version = %key.version, process = %process, attempt, reason = %reason, "attempt failed"
        );
        let last = error.failure() == Failure::Terminal
            || matches!(options.pause_after, PauseAfter::Errors(limit) if attempt >= limit.get());
        let change = match (last, giving_up) {
            (false, _) => self.retry_later(key, options, task, attempt, reason),
            (true, GivingUp::Pauses) => return self.pause_for(task, attempt, reason),
            (true, GivingUp::SetsAside) => self.park(task, process, &reason),
        };
        Made::change(change)
    }

    /// Which attempt failed just now. An event that was delivered twice counts on from what is stored.
    async fn attempt_of(&self, key: &RetryKey, task: &Task) -> Result<u32, BackendError> {
        let told = task.event.attempt();
        if task.fresh && told == 1 {
            return Ok(1);
        }
        Ok(match self.hub.lookups.retry(key).await? {
            // The attempt that failed is the one that the row notes.
            Some(row) if row.is_begun() => told.max(row.attempt),
            Some(row) => told.max(row.attempt.saturating_add(1)),
            None => told,
        })
    }

    fn retry_later(
        &self,
        key: RetryKey,
        options: &ProcessOptions,
        task: &Task,
        attempt: u32,
        reason: Arc<str>,
    ) -> Change {
        self.metrics.retry_scheduled();
        let delay = options.retry.delay(attempt, fastrand::f64());
        let mut change = self.effects_at(task);
        change.effects.push(Effect::PutRetry(RetryUpdate {
            key,
            attempt,
            due: Some(Due::In(delay)),
            last_error: reason,
            event: Arc::clone(&task.event),
        }));
        change
    }

    /// An empty change on the version that a task is about; a hook's run may have gone on since.
    pub(crate) fn effects_at(&self, task: &Task) -> Change {
        let expect = match task.event.version {
            Some(version) if version < task.record.version => Expect::Nothing,
            _ => Expect::Version(task.record.version),
        };
        let mut change = Change::new(task.record.run_id, expect);
        change.fence = Some(task.fence.clone());
        change
    }

    /// Pauses a run by the engine.
    pub(crate) fn pause_for(&self, task: &Task, attempt: u32, reason: Arc<str>) -> Made {
        let transition = Transition { to: Move::Pause { reason, by: PausedBy::Engine }, object: None };
        let stamp = Stamp {
            attempt,
            fence: Some(task.fence.clone()),
            trace: TraceContext::of(&task.event.headers),
            ..Stamp::outside(Actor::Engine)
        };
        match self.change(&task.record, transition, None, stamp) {
            Ok(change) => Made::change(change),
            Err(_) => Made::Again,
        }
    }

    /// Sets an event aside for an operator.
    pub(crate) fn park(&self, task: &Task, process: &ProcessName, reason: &str) -> Change {
        self.metrics.dead_letter();
        let mut change = self.effects_at(task);
        let key = RetryKey { run_id: task.record.run_id, version: task.version(), process: process.clone() };
        change.effects.push(Effect::DeleteRetry(key));
        change.effects.push(Effect::PutDeadLetter(dead_letter(&task.event, process.as_str(), reason)));
        change
    }
}

/// A dead letter of an event.
pub(crate) fn dead_letter(event: &crate::Event, process: &str, reason: &str) -> DeadLetter {
    // Two events of a run that have no id of their own are two letters all the same.
    let id = match (event.event_id, event.version) {
        (Some(id), _) => id.to_string(),
        (None, Some(version)) => format!("{}/{version}", event.run_id),
        (None, None) => event.run_id.to_string(),
    };
    DeadLetter {
        id: format!("{process}/{id}").into(),
        workflow_name: event.workflow_name.as_str().into(),
        run_id: Some(event.run_id),
        version: event.version,
        process: process.into(),
        reason: reason.into(),
        data: Bytes::from(crate::encode_outbox(event)),
        created_at: crate::Timestamp::from_millis(0),
    }
}

/// A dead letter of a message that is not an event.
pub(crate) fn unreadable_letter(workflow: &WorkflowName, process: &str, message: Unreadable) -> DeadLetter {
    let Unreadable { position, topic, reason, data } = message;
    let (partition, offset) = (position.partition, position.offset);
    let mut id = format!("{process}/{topic}/{partition}/{offset}");
    if id.len() > LETTER_ID_BYTES_MAX {
        // A process reads one topic.
        id = format!("{process}/{partition}/{offset}");
    }
    DeadLetter {
        id: id.into(),
        workflow_name: workflow.as_str().into(),
        run_id: None,
        version: None,
        process: process.into(),
        reason: shorten(&format!(
            "the message on topic {topic}, partition {partition}, offset {offset} cannot be read: {reason}"
        )),
        data,
        created_at: crate::Timestamp::from_millis(0),
    }
}

impl Task {
    /// The version that the event is about.
    pub(crate) fn version(&self) -> crate::Version {
        self.event.version.unwrap_or(self.record.version)
    }
}

/// A reason cut to what is kept of it.
pub(crate) fn shorten(reason: &str) -> Arc<str> {
    if reason.len() <= REASON_BYTES_MAX {
        return reason.into();
    }
    let mut end = REASON_BYTES_MAX;
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &reason[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Position;
    use crate::{GroupName, Namespace, StatusCode, Topic};

    #[test]
    fn the_id_of_a_letter_fits_with_the_longest_names() {
        let workflow = WorkflowName::new("w".repeat(100)).expect("a name");
        let code = StatusCode::new(i32::MAX).expect("a status");
        let namespace = Namespace::new("n".repeat(40)).expect("a namespace");
        let letter = |topic: Topic, offset: u64| {
            let position = Position { partition: 99_999, offset };
            let message = Unreadable { position, topic, reason: "".into(), data: Bytes::new() };
            let process = GroupName::of_step(&workflow, code);
            unreadable_letter(&workflow, process.as_str(), message).id
        };
        let topic = Topic::of_status(&workflow, code).within(&namespace);
        let (one, other) = (letter(topic.clone(), u64::MAX), letter(topic, u64::MAX - 1));
        assert!(one.len() <= LETTER_ID_BYTES_MAX && one != other, "{one}, {other}");
        assert_eq!(
            &*letter(Topic::new("t"), 7),
            format!("{}/t/99999/7", GroupName::of_step(&workflow, code))
        );
    }
}
