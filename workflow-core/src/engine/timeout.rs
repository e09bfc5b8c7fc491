//! Due timers: each moves its own run, by its own function, or is put away.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::Instrument;

use super::attempt::{Limits, Stopped, attempt_span, guarded};
use super::core::Object;
use super::due_work::{DueWork, Owned};
use super::failure::{GivingUp, shorten};
use super::moves::Stamp;
use super::plan::timer_process;
use super::work::{Made, Task};
use crate::adapter::{
    Change, DeadLetter, DueTimer, Effect, Expect, Outcome, RetryKey, RetryRow, TimerKey, TimerRow,
};
use crate::definition::TimeoutPart;
use crate::{
    Actor, Error, Event, Next, Record, Run, RunState, Status, StepError, Transition, header, retryable,
    terminal,
};

/// How long a timer of a status without a timeout is left to other versions of the program.
const ABANDONED_AFTER: Duration = Duration::from_hours(24);

/// The header by which the retry row of a timeout knows its timer.
const TIMER: &str = "timer";
/// The header that keeps the version with which the status was entered.
const ENTERED: &str = "timer_entered";

/// How a timeout's function ended.
enum Called<T, S> {
    Next(Run<T, S>, Next<S>),
    Failed(StepError),
    Stopped,
}

impl<T: Object, S: Status> DueWork<T, S> {
    /// Deals with a due timer, given the present state of its run.
    ///
    /// The first attempt goes on with the trace that the run's record keeps, further ones with that of their retry.
    pub(crate) async fn fire(&self, due: DueTimer, owned: &Owned, attempt: u32, cause: Option<&Event>) {
        let span = tracing::debug_span!(
            parent: None,
            "timeout",
            workflow_name = %due.timer.workflow_name,
            run_id = %due.timer.key.run_id,
            foreign_id = %due.timer.foreign_id,
            status = due.timer.status.get(),
            timer = %due.timer.key.name,
            attempt,
        );
        match (cause, &due.record) {
            (Some(cause), _) => self.core.hub.trace.follow(&span, &cause.headers),
            (None, Ok(Some(record))) => self.core.hub.trace.follow_record(&span, record),
            (None, _) => {}
        }
        self.deal_with(due, owned, attempt).instrument(span).await;
    }

    async fn deal_with(&self, due: DueTimer, owned: &Owned, attempt: u32) {
        let DueTimer { timer, record } = due;
        let record = match record {
            Ok(Some(record)) => record,
            Ok(None) => return self.cancel(&timer, None, owned).await,
            Err(error) => return self.set_aside(&timer, None, owned, &error.to_string()).await,
        };
        if record.run_state.is_finished() || record.status != timer.status {
            return self.cancel(&timer, Some(&record), owned).await;
        }
        if record.run_state == RunState::Paused {
            return self.hold(&timer, &record, owned).await;
        }
        let Some(part) = self.part_of(&timer.key, timer.status) else {
            return self.unknown(&timer, &record, owned).await;
        };
        let begun = self.core.hub.clock.elapsed();
        let called = self.call(part, &record, owned, attempt).await;
        let duration = self.core.hub.clock.elapsed().saturating_sub(begun);
        owned.metrics.took(duration);
        let stamp =
            Stamp { attempt, duration, fence: Some(owned.fence.clone()), ..Stamp::outside(Actor::Timeout) };
        match called {
            Called::Next(_, Next::Skip) => self.put_away(&timer, &record, owned, Effect::CompleteTimer).await,
            Called::Next(run, next) => match self.made(part, run, &record, next, stamp) {
                Ok(Some(change)) => self.move_run(change, &timer, &record, part, owned, attempt).await,
                Ok(None) => {
                    let reason = format!("a run that is {} cannot be moved", record.run_state);
                    self.set_aside(&timer, Some(&record), owned, &reason).await;
                }
                Err(error) => self.fail(&timer, &record, part, owned, attempt, terminal(error)).await,
            },
            Called::Failed(error) => self.fail(&timer, &record, part, owned, attempt, error).await,
            Called::Stopped => {}
        }
    }

    async fn call(
        &self,
        part: &TimeoutPart<T, S>,
        record: &Arc<Record>,
        owned: &Owned,
        attempt: u32,
    ) -> Called<T, S> {
        let mut run = match self.core.open(record, attempt, Some(owned.fence.clone())) {
            Ok(run) => run,
            Err(error) => return Called::Failed(terminal(error)),
        };
        let span = attempt_span(owned.process.as_str(), record, attempt);
        let call = (run.id(), run.version());
        let limits = Limits::new(call, span, &part.options, &self.core.hub.clock, &self.core.signals);
        match guarded((part.call)(&mut run), limits).await {
            Ok(Ok(next)) => Called::Next(run, next),
            Ok(Err(error)) => Called::Failed(error),
            Err(Stopped::Cancelled) => Called::Stopped,
            Err(Stopped::TimedOut) => Called::Failed(retryable("the attempt took too long")),
        }
    }

    /// The change that a timeout wants; `None` if the run's state does not allow it any more.
    fn made(
        &self,
        part: &TimeoutPart<T, S>,
        mut run: Run<T, S>,
        record: &Record,
        next: Next<S>,
        stamp: Stamp,
    ) -> Result<Option<Change>, Error> {
        let to = self.core.wish(next, part.from, &part.to)?;
        let object = self.core.encode(&run.object, || format!("run {}", record.run_id))?;
        let attached = run.take_attached();
        let transition = Transition { to, object: Some(object) };
        let Ok(mut change) = self.core.change(record, transition, Some(&mut run), stamp) else {
            return Ok(None);
        };
        change.effects.extend(attached.into_iter().map(Effect::Attached));
        Ok(Some(change))
    }

    async fn move_run(
        &self,
        mut change: Change,
        timer: &TimerRow,
        record: &Arc<Record>,
        part: &TimeoutPart<T, S>,
        owned: &Owned,
        attempt: u32,
    ) {
        // Before the cancelling of the status's other timers, so that this one is known as the one that fired.
        change.effects.insert(0, Effect::CompleteTimer(timer.key.clone()));
        if let Some(Outcome::AttachedFailed(reason)) = self.store(record.run_state, change).await {
            self.fail(timer, record, part, owned, attempt, retryable(reason.to_string())).await;
        }
    }

    /// Sets a timer aside until its function is tried again; after the last attempt the run is paused.
    async fn fail(
        &self,
        timer: &TimerRow,
        record: &Arc<Record>,
        part: &TimeoutPart<T, S>,
        owned: &Owned,
        attempt: u32,
        error: StepError,
    ) {
        owned.metrics.error();
        let topic = self.core.plan.topic(&record.workflow_name, record.run_state, record.status);
        let mut event = Event::of_record(record, topic);
        event.set_header(TIMER, timer.key.name.as_str());
        event.set_header(ENTERED, timer.key.entered.to_string());
        event.set_header(header::ATTEMPT, attempt.to_string());
        if let Some(context) = self.core.hub.trace.current() {
            context.put(&mut event);
        }
        let task = Task {
            event: Arc::new(event),
            record: Arc::clone(record),
            fence: owned.fence.clone(),
            fresh: false,
            inherited: false,
        };
        let process = timer_process(&owned.process, &timer.key.name);
        let made = self.core.failed(&process, &part.options, GivingUp::Pauses, &task, &error).await;
        if let Made::Change(mut change) = made {
            change.effects.push(Effect::HoldTimer(timer.key.clone()));
            self.store(record.run_state, *change).await;
        }
    }

    /// Tries a timeout again whose retry row is due.
    pub(crate) async fn fire_again(&self, row: RetryRow, owned: &Owned) {
        let Some(record) = self.record_of(&row).await else { return };
        let Some(timer) = timer_of(&row) else { return self.drop_retry(row.key).await };
        if record.version != row.key.version {
            let mut change = Change::new(row.key.run_id, Expect::Version(record.version));
            change.effects.push(Effect::DeleteRetry(row.key.clone()));
            change.effects.push(Effect::ReleaseTimers);
            self.store_effects(change).await;
            return;
        }
        let due = DueTimer { timer, record: Ok(Some(record)) };
        self.fire(due, owned, row.attempt.saturating_add(1), Some(&row.event)).await;
    }

    async fn cancel(&self, timer: &TimerRow, record: Option<&Record>, owned: &Owned) {
        let expect = record.map_or(Expect::Nothing, |record| Expect::Version(record.version));
        let mut change = Change::new(timer.key.run_id, expect);
        change.fence = Some(owned.fence.clone());
        change.effects.push(Effect::CancelTimers(Some(timer.key.entered)));
        self.store_effects(change).await;
    }

    async fn hold(&self, timer: &TimerRow, record: &Record, owned: &Owned) {
        self.put_away(timer, record, owned, Effect::HoldTimer).await;
    }

    async fn put_away(&self, timer: &TimerRow, record: &Record, owned: &Owned, how: fn(TimerKey) -> Effect) {
        let mut change = Change::new(timer.key.run_id, Expect::Version(record.version));
        change.fence = Some(owned.fence.clone());
        change.effects.push(how(timer.key.clone()));
        let process = timer_process(&owned.process, &timer.key.name);
        let retry = RetryKey { run_id: record.run_id, version: record.version, process };
        change.effects.push(Effect::DeleteRetry(retry));
        self.store_effects(change).await;
    }

    /// A timer whose timeout the definition has no more.
    async fn unknown(&self, timer: &TimerRow, record: &Record, owned: &Owned) {
        let reason = format!("status {} has no timeout {:?} any more", timer.status, timer.key.name);
        self.set_aside(timer, Some(record), owned, &reason).await;
    }

    /// Keeps a timer that cannot fire for an operator, and does not ask for it again.
    async fn set_aside(&self, timer: &TimerRow, record: Option<&Record>, owned: &Owned, reason: &str) {
        tracing::warn!(run_id = %timer.key.run_id, reason, "timer is set aside");
        self.core.metrics.dead_letter();
        let mut change = letter_of(timer, record, owned.process.as_str(), reason);
        change.fence = Some(owned.fence.clone());
        self.store_effects(change).await;
    }

    /// Whether a timer is of a status that has no timeout in this definition, and has been for long. Until then another
    /// version of the program may have one.
    pub(crate) fn is_abandoned(&self, timer: &TimerRow) -> bool {
        let overdue = self.core.hub.clock.now().since(timer.expire_at);
        self.core.definition.timeouts_of(timer.status).next().is_none() && overdue > ABANDONED_AFTER
    }

    /// Takes an abandoned timer out of the due ones, which it would crowd.
    pub(crate) async fn abandon(&self, due: DueTimer) {
        let DueTimer { timer, record } = due;
        let reason = format!("status {} has no timeout any more", timer.status);
        let change = match record {
            Ok(Some(record)) if record.status == timer.status && !record.run_state.is_finished() => {
                tracing::warn!(run_id = %timer.key.run_id, reason, "timer is set aside");
                self.core.metrics.dead_letter();
                letter_of(&timer, Some(&record), "timeouts", &reason)
            }
            _ => {
                let mut change = Change::new(timer.key.run_id, Expect::Nothing);
                change.effects.push(Effect::CancelTimers(Some(timer.key.entered)));
                change
            }
        };
        self.store_effects(change).await;
    }
}

/// The change that makes a dead letter of a timer.
fn letter_of(timer: &TimerRow, record: Option<&Record>, process: &str, reason: &str) -> Change {
    let expect = record.map_or(Expect::Nothing, |record| Expect::Version(record.version));
    let mut change = Change::new(timer.key.run_id, expect);
    change.effects.push(Effect::CompleteTimer(timer.key.clone()));
    change.effects.push(Effect::PutDeadLetter(DeadLetter {
        id: format!("timer/{}/{}/{}", timer.key.run_id, timer.key.entered, timer.key.name).into(),
        workflow_name: timer.workflow_name.as_str().into(),
        run_id: Some(timer.key.run_id),
        version: record.map(|record| record.version),
        process: process.into(),
        reason: shorten(reason),
        data: Bytes::new(),
        created_at: timer.created_at,
    }));
    change
}

/// Whether a retry row is about a timer.
pub(crate) fn is_of_timer(row: &RetryRow) -> bool {
    row.event.header(TIMER).is_some()
}

/// The timer that a retry row of a timeout is about.
fn timer_of(row: &RetryRow) -> Option<TimerRow> {
    let name = crate::TimerName::new(row.event.header(TIMER)?).ok()?;
    let entered = crate::Version::new(row.event.header(ENTERED)?.parse().ok()?)?;
    let at = row.due.unwrap_or(crate::Timestamp::from_millis(0));
    Some(TimerRow {
        key: TimerKey { run_id: row.key.run_id, entered, name },
        workflow_name: row.event.workflow_name.clone(),
        foreign_id: row.event.foreign_id.clone(),
        status: row.event.status,
        expire_at: at,
        created_at: at,
    })
}
