//! From a wish to the change that stores it: record, event, history and everything that goes with them.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Object};
use crate::adapter::{
    Change, Effect, Expect, Fence, NewTimer, OutboxRow, RetryKey, RetryUpdate, TimerKey, TraceContext,
};
use crate::definition::History;
use crate::{
    Actor, Due, Event, EventId, HistoryEntry, Move, PausedBy, ProcessName, Record, Refusal, Run, RunId,
    RunState, Status, Timestamp, Transition, apply, header,
};

/// How long a hook, deletion or retry that was stored may wait for its event, before the event is sent again.
pub(crate) const OWED_AFTER: Duration = Duration::from_secs(60);

/// Who makes a change, and how it came about.
pub(crate) struct Stamp {
    pub(crate) actor: Actor,
    pub(crate) attempt: u32,
    pub(crate) duration: Duration,
    pub(crate) fence: Option<Fence>,
    /// Whether retry rows may be left that the change makes pointless.
    pub(crate) retries_left: bool,
    /// Whether the timers of the status that the run stays in are known to be set.
    pub(crate) timers_set: bool,
    /// Where in a trace it was made; that of the present span if nothing is said.
    pub(crate) trace: Option<TraceContext>,
}

/// What is known of the timers of the status that a change leaves its run in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Timers {
    /// They are stored, or were before.
    Set,
    /// Not all of them gave an answer, so that the auto-inserter has to ask them again.
    Failed,
    /// There are none, or the change was not about them.
    Unknown,
}

impl Stamp {
    /// A change that somebody outside the run's own steps makes.
    pub(crate) fn outside(actor: Actor) -> Self {
        Self {
            actor,
            attempt: 1,
            duration: Duration::ZERO,
            fence: None,
            retries_left: true,
            timers_set: false,
            trace: None,
        }
    }
}

impl<T: Object, S: Status> Core<T, S> {
    /// The move to a status.
    pub(crate) fn go_to(&self, to: S) -> Move {
        let code = to.code();
        match self.plan.status(code) {
            Some(plan) => Move::Go { to: code, description: Arc::clone(&plan.name), terminal: plan.terminal },
            None => Move::Go { to: code, description: to.name().into(), terminal: false },
        }
    }

    /// The change that makes a transition. `run` is the typed run with its new object, if there is one at hand: the
    /// timers of a status that it enters are asked with it.
    pub(crate) fn change(
        &self,
        record: &Record,
        transition: Transition,
        run: Option<&mut Run<T, S>>,
        stamp: Stamp,
    ) -> Result<Change, Refusal> {
        let enters = matches!(transition.to, Move::Go { .. });
        let resumes = matches!(transition.to, Move::Resume);
        let repeats = matches!(transition.to, Move::Repeat) && stamp.retries_left;
        let next = apply(record, transition)?;
        let mut change = Change::new(record.run_id, Expect::Version(record.version));
        if stamp.retries_left {
            self.forget_retries(record, &mut change.effects);
        }
        let had_timers = self.plan.status(record.status).is_some_and(|plan| plan.has_timeouts);
        if had_timers && (enters || next.run_state.is_finished()) {
            change.effects.push(Effect::CancelTimers(None));
        }
        // A repetition deletes the retry rows that would have released them.
        if had_timers && (resumes || repeats) {
            change.effects.push(Effect::ReleaseTimers);
        }
        // Without a history nobody could tell later with which version the status was entered.
        let kept = !enters && self.definition.history == History::Off;
        let mut timers = if stamp.timers_set || kept { Timers::Set } else { Timers::Unknown };
        let next = if enters {
            let (next, asked) = self.enter(next, run, &mut change.effects);
            timers = asked;
            next
        } else {
            next
        };
        self.finish(change, Some(record), next, timers, stamp)
    }

    /// Deletes the retry rows of what the run waits for. A hook on a state that it has left is owed all the same.
    fn forget_retries(&self, record: &Record, effects: &mut Vec<Effect>) {
        let key = |process: &ProcessName| RetryKey {
            run_id: record.run_id,
            version: record.version,
            process: process.clone(),
        };
        let mut forget = |process: &ProcessName| effects.push(Effect::DeleteRetry(key(process)));
        match record.run_state {
            RunState::Paused => forget(&self.plan.resume_process),
            RunState::RequestedDataDeleted => forget(&self.plan.deletion_process),
            RunState::Initiated | RunState::Running | RunState::Unknown => {
                let plan = self.plan.status(record.status);
                plan.into_iter().flat_map(|plan| &plan.retried_by).for_each(forget);
            }
            RunState::Cancelled | RunState::Completed | RunState::DataDeleted => {}
        }
    }

    /// The change that stores a new run.
    pub(crate) fn creation(&self, record: Record, run: Option<&mut Run<T, S>>, stamp: Stamp) -> Change {
        let mut change = Change::new(record.run_id, Expect::Absent);
        let (record, timers) = self.enter(record, run, &mut change.effects);
        self.finish(change, None, record, timers, stamp).expect("a new run is not refused")
    }

    /// Asks the timers of the status that a run enters.
    fn enter(
        &self,
        next: Record,
        run: Option<&mut Run<T, S>>,
        effects: &mut Vec<Effect>,
    ) -> (Record, Timers) {
        let waits = self.plan.status(next.status).is_some_and(|plan| plan.has_timeouts);
        if !waits || next.run_state.is_finished() {
            return (next, Timers::Unknown);
        }
        let (Some(run), Some(status)) = (run, S::from_code(next.status)) else {
            return (next, Timers::Failed);
        };
        let shared = Arc::new(next);
        let before = run.enter(status, Arc::clone(&shared));
        let set = self.set_timers(run, &shared, shared.version, effects);
        run.enter(status, before);
        (Arc::unwrap_or_clone(shared), if set { Timers::Set } else { Timers::Failed })
    }

    /// Adds the timers of a run's status to the effects; tells whether all of them answered.
    pub(crate) fn set_timers(
        &self,
        run: &Run<T, S>,
        record: &Record,
        entered: crate::Version,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let mut all = true;
        for part in self.definition.timeouts_of(record.status) {
            let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (part.timer)(run)));
            match asked {
                Ok(Ok(Some(due))) => effects.push(Effect::PutTimer(NewTimer {
                    key: TimerKey { run_id: record.run_id, entered, name: part.name.clone() },
                    status: record.status,
                    due,
                })),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(run_id = %record.run_id, timer = %part.name, error = %error.reason(), "timer failed");
                    all = false;
                }
                Err(_) => {
                    tracing::warn!(run_id = %record.run_id, timer = %part.name, "timer panicked");
                    all = false;
                }
            }
        }
        all
    }

    fn finish(
        &self,
        mut change: Change,
        from: Option<&Record>,
        mut next: Record,
        timers: Timers,
        stamp: Stamp,
    ) -> Result<Change, Refusal> {
        let context = stamp.trace.clone().or_else(|| self.hub.trace.current());
        if let Some(kept) = context.as_ref().and_then(TraceContext::to_keep) {
            next.traceparent = Some(kept);
        }
        let topic = self.plan.topic(&next.workflow_name, next.run_state, next.status);
        let mut event = Event::of_record(&next, topic);
        if timers == Timers::Set {
            event.set_header(header::TIMERS_SET, "1");
        }
        if let Some(context) = context {
            context.put(&mut event);
        }
        let event = Arc::new(event);
        self.owe(&next, &event, timers, &mut change.effects);
        change.history = self.history(from, &next, &stamp);
        change.fence = stamp.fence;
        put(&mut change, next, event);
        Ok(change)
    }

    /// Notes what has to be done after the commit even if its event is lost: a hook, a deletion, a resume, a timer.
    fn owe(&self, next: &Record, event: &Arc<Event>, timers: Timers, effects: &mut Vec<Effect>) {
        let mut owe = |process: &ProcessName, after| effects.push(owed(next, event, process, after));
        if timers == Timers::Failed
            && let Some(plan) = self.plan.status(next.status)
        {
            owe(&plan.inserter, OWED_AFTER);
        }
        if let Some(process) = self.plan.hook(next.run_state) {
            owe(process, OWED_AFTER);
        }
        match (next.run_state, next.paused_by, self.definition.resume_after) {
            (RunState::RequestedDataDeleted, _, _) => owe(&self.plan.deletion_process, OWED_AFTER),
            (RunState::Paused, Some(PausedBy::Engine), Some(after)) => owe(&self.plan.resume_process, after),
            _ => {}
        }
    }

    fn history(&self, from: Option<&Record>, next: &Record, stamp: &Stamp) -> Option<HistoryEntry> {
        let kept = self.definition.history;
        (kept != History::Off).then(|| HistoryEntry {
            object: (kept == History::WithObjects).then(|| next.object.clone()),
            ..entry(from, next, stamp, self.hub.clock.now())
        })
    }

    /// The change that sends an event again, under a new row, with these headers in place of its own.
    pub(crate) fn emit_again(
        &self,
        run_id: RunId,
        version: crate::Version,
        event: &Event,
        headers: &[(&str, String)],
    ) -> Change {
        let mut event = event.clone();
        for (name, value) in headers {
            event.set_header(name, value.as_str());
        }
        emission(run_id, version, event)
    }
}

/// The change that sends an event of a version again, under a new row.
pub(crate) fn emission(run_id: RunId, version: crate::Version, event: Event) -> Change {
    let mut change = Change::new(run_id, Expect::Version(version));
    change.outbox = Some(OutboxRow { id: EventId::after(event.event_id), event: Arc::new(event) });
    change
}

/// What a history tells of a move.
pub(crate) fn entry(from: Option<&Record>, next: &Record, stamp: &Stamp, at: Timestamp) -> HistoryEntry {
    HistoryEntry {
        workflow_name: next.workflow_name.clone(),
        run_id: next.run_id,
        version: next.version,
        from_status: from.map(|record| record.status),
        to_status: next.status,
        run_state: next.run_state,
        reason: Arc::clone(&next.run_state_reason),
        actor: stamp.actor.clone(),
        attempt: stamp.attempt,
        duration: stamp.duration,
        at,
        object: None,
    }
}

/// The retry row that sends an event again, if what has to be done for it was not done by then.
pub(crate) fn owed(next: &Record, event: &Arc<Event>, process: &ProcessName, after: Duration) -> Effect {
    Effect::PutRetry(RetryUpdate {
        key: RetryKey { run_id: next.run_id, version: next.version, process: process.clone() },
        attempt: 0,
        due: Some(Due::In(after)),
        last_error: Arc::default(),
        event: Arc::clone(event),
    })
}

/// Puts the next record into a change, with its event.
pub(crate) fn put(change: &mut Change, next: Record, event: Arc<Event>) {
    if let Some(id) = next.last_event_id {
        change.outbox = Some(OutboxRow { id, event });
    }
    change.record = Some(next);
}
