//! The consumer that runs a status's step.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Limits, Stopped, attempt_span, guarded};
use super::core::{Core, Object};
use super::failure::GivingUp;
use super::metrics::ProcessMetrics;
use super::moves::Stamp;
use super::work::{Made, Task, Work};
use crate::adapter::{BoxFuture, Effect, Outcome, RetryKey, RetryRow, RetryUpdate};
use crate::definition::{PauseAfter, ProcessOptions, StepPart};
use crate::{
    Actor, Consumer, Error, Failure, Move, Next, PausedBy, ProcessName, Run, Status, StepError, Transition,
    header, retryable, terminal,
};

/// The wait before the first repetition in place; it doubles with each.
const IN_PLACE_BASE: Duration = Duration::from_millis(2);

/// A status's step.
pub(crate) struct StepWork<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
    /// Which of the definition's steps it is.
    pub(crate) part: usize,
    pub(crate) process: ProcessName,
    pub(crate) metrics: Arc<ProcessMetrics>,
}

impl<T: Object, S: Status> Work for StepWork<T, S> {
    fn consumer(&self) -> Consumer {
        Consumer::Step
    }

    fn work(self: Arc<Self>, task: Task) -> BoxFuture<'static, Made> {
        Box::pin(async move { self.attempt(&task).await })
    }

    fn failed<'a>(&'a self, task: &'a Task, error: StepError) -> BoxFuture<'a, Made> {
        Box::pin(async move {
            self.metrics.error();
            self.core.failed(&self.process, self.options(), GivingUp::Pauses, task, &error).await
        })
    }
}

impl<T: Object, S: Status> StepWork<T, S> {
    fn part(&self) -> &StepPart<T, S> {
        &self.core.definition.steps[self.part]
    }

    fn options(&self) -> &ProcessOptions {
        &self.part().options
    }

    async fn attempt(&self, task: &Task) -> Made {
        if task.fresh {
            return self.attempt_now(task).await;
        }
        match self.core.hub.lookups.retry(&self.key(task)).await {
            Ok(row) if is_set_aside(task, row.as_ref()) => Made::Nothing,
            Ok(row) if task.inherited => self.attempt_on_probation(task, row).await,
            Ok(_) => self.attempt_now(task).await,
            Err(error) => Made::later(&error, "the retry row"),
        }
    }

    /// An attempt that an owner before this one may have died of: it is noted before it is made, so that a step which
    /// takes the process down with it ends in a pause, not in one crash after the other.
    async fn attempt_on_probation(&self, task: &Task, row: Option<RetryRow>) -> Made {
        let died = row.filter(RetryRow::is_begun).map_or(0, |row| row.attempt);
        let attempt = task.event.attempt().max(died.saturating_add(1));
        if matches!(self.options().pause_after, PauseAfter::Errors(limit) if attempt > limit.get()) {
            let reason = format!("the process ended in the middle of attempt {died}");
            return self.core.pause_for(task, died, reason.into());
        }
        let mut event = (*task.event).clone();
        event.set_header(header::ATTEMPT, attempt.to_string());
        let task = Task { event: Arc::new(event), ..task.clone() };
        let mut change = self.core.effects_at(&task);
        change.effects.push(Effect::PutRetry(RetryUpdate::begun(
            self.key(&task),
            attempt,
            Arc::clone(&task.event),
        )));
        match self.core.hub.commit_one(change).await {
            Ok(Outcome::Stored(_)) => self.attempt_now(&task).await,
            Ok(_) => Made::Again,
            Err(error) => Made::later(&error, "noting an attempt"),
        }
    }

    async fn attempt_now(&self, task: &Task) -> Made {
        let clock = &self.core.hub.clock;
        let begun = clock.elapsed();
        let (run, next) = match self.call(task).await {
            Ok(called) => called,
            Err(Unfinished::Stopped(Stopped::Cancelled)) => return Made::Again,
            Err(Unfinished::Stopped(Stopped::TimedOut)) => {
                let limit = self.options().attempt_timeout.unwrap_or_default();
                return self.failed(task, retryable(format!("the attempt took longer than {limit:?}"))).await;
            }
            Err(Unfinished::Failed(error)) => return self.failed(task, error).await,
        };
        let duration = clock.elapsed().saturating_sub(begun);
        self.metrics.took(duration);
        match next {
            Next::Skip => self.skip(task),
            next => match self.transition(run, next, task, duration) {
                Ok(made) => made,
                Err(error) => self.failed(task, terminal(error)).await,
            },
        }
    }

    fn key(&self, task: &Task) -> RetryKey {
        RetryKey { run_id: task.record.run_id, version: task.version(), process: self.process.clone() }
    }

    /// Calls the step, again within milliseconds if it fails and another attempt may help.
    async fn call(&self, task: &Task) -> Result<(Run<T, S>, Next<S>), Unfinished> {
        let mut repeated = 0;
        loop {
            let fence = Some(task.fence.clone());
            let opened = self.core.open(&task.record, task.event.attempt(), fence);
            let mut run = opened.map_err(|error| Unfinished::Failed(terminal(error)))?;
            let span = attempt_span(self.process.as_str(), &task.record, task.event.attempt());
            let call = (run.id(), run.version());
            let limits = Limits::new(call, span, self.options(), &self.core.hub.clock, &self.core.signals);
            let called = guarded((self.part().call)(&mut run), limits).await.map_err(Unfinished::Stopped)?;
            match called {
                Ok(next) => return Ok((run, next)),
                Err(error)
                    if error.failure() == Failure::Retryable
                        && repeated < self.options().in_place_retries =>
                {
                    self.metrics.error();
                    let wait = IN_PLACE_BASE.saturating_mul(1 << repeated.min(8));
                    self.core.hub.clock.sleep(wait.mul_f64(fastrand::f64())).await;
                    repeated += 1;
                }
                Err(error) => return Err(Unfinished::Failed(error)),
            }
        }
    }

    /// Notes that nothing runs the step again by itself.
    fn skip(&self, task: &Task) -> Made {
        let mut change = self.core.effects_at(task);
        change.effects.push(Effect::PutRetry(RetryUpdate {
            key: self.key(task),
            attempt: task.event.attempt(),
            due: None,
            last_error: "skipped".into(),
            event: Arc::clone(&task.event),
        }));
        Made::change(change)
    }

    fn transition(
        &self,
        mut run: Run<T, S>,
        next: Next<S>,
        task: &Task,
        duration: Duration,
    ) -> Result<Made, Error> {
        let to = self.core.wish(next, self.part().from, &self.part().to)?;
        let what = || format!("run {}", task.record.run_id);
        let object = self.core.encode(&run.object, what)?;
        let attached = run.take_attached();
        let stamp = Stamp {
            actor: Actor::Step,
            attempt: task.event.attempt(),
            duration,
            fence: Some(task.fence.clone()),
            retries_left: !task.fresh || task.event.attempt() > 1,
            timers_set: task.event.header(header::TIMERS_SET).is_some(),
        };
        let transition = Transition { to, object: Some(object) };
        match self.core.change(&task.record, transition, Some(&mut run), stamp) {
            Ok(mut change) => {
                change.effects.extend(attached.into_iter().map(Effect::Attached));
                Ok(Made::change(change))
            }
            // The run was stopped while its step ran: the event is judged again by what it is now.
            Err(_) => Ok(Made::Again),
        }
    }
}

/// Whether this attempt, or a later one, has already ended in a retry row: then the row decides what comes next.
fn is_set_aside(task: &Task, row: Option<&RetryRow>) -> bool {
    row.is_some_and(|row| !row.is_begun() && row.attempt > 0 && task.event.attempt() <= row.attempt)
}

enum Unfinished {
    Stopped(Stopped),
    Failed(StepError),
}

impl<T: Object, S: Status> Core<T, S> {
    /// What a function of a status wants, checked against what it declared.
    pub(crate) fn wish(&self, next: Next<S>, from: S, declared: &[S]) -> Result<Move, Error> {
        Ok(match next {
            Next::GoTo(to) => {
                if !declared.iter().any(|each| each.code() == to.code()) {
                    return Err(Error::Undeclared { from: from.name(), to: to.name() });
                }
                self.go_to(to)
            }
            Next::Skip | Next::Repeat => Move::Repeat,
            Next::Pause(reason) => {
                Move::Pause { reason: super::failure::shorten(&reason), by: PausedBy::Step }
            }
            Next::Cancel(reason) => Move::Cancel { reason: super::failure::shorten(&reason) },
        })
    }
}
