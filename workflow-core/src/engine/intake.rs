//! The loop that every consumer of a topic shares: take events, judge them, have them worked on, store, settle.
//!
//! Many runs are in flight at once, never two events of one run. An event is settled when its outcome is durable, so
//! that whoever takes over the role after a crash gets exactly those that had none.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attempt::panicked;
use super::commit::answered;
use super::failure::dead_letter;
use super::hub::Hub;
use super::metrics::{Metrics, ProcessMetrics};
use super::work::{Made, Task, Work};
use crate::adapter::{
    BackendError, BoxFuture, Change, Delivery, DynReceiver, Effect, ErrorKind, Expect, Fence, Generation,
    Outcome, Position,
};
use crate::definition::ProcessOptions;
use crate::{Event, Record, RunId, Skip, Verdict, judge};

/// How long a consumer waits before it goes on after the store failed.
const ERROR_BACK_OFF: Duration = Duration::from_millis(200);

/// How often an event that is ahead of its record is looked at again, and how long between: a replica may lag.
const STALE_LOOKS: u32 = 5;
const STALE_WAIT: Duration = Duration::from_millis(100);

/// How often work may end in a refusal before its event is parked.
const REFUSALS_MAX: u32 = 50;

/// An inline poll that takes longer holds up the others of its batch, so the next ones get tasks of their own.
const INLINE_MAX: Duration = Duration::from_micros(200);

/// How many events get a task of their own after a slow inline poll, before one is tried inline again.
const SPAWN_STREAK: u32 = 64;

/// One consumer of one topic, under one role.
pub(crate) struct Intake {
    pub(crate) hub: Arc<Hub>,
    pub(crate) work: Arc<dyn Work>,
    pub(crate) options: ProcessOptions,
    pub(crate) process: Arc<str>,
    pub(crate) workflow: crate::WorkflowName,
    pub(crate) metrics: Arc<ProcessMetrics>,
    pub(crate) totals: Metrics,
    pub(crate) partitions: Vec<u32>,
    pub(crate) receiver: Box<dyn DynReceiver>,
}

/// What is known of a run that is in flight.
struct Flight {
    delivery: Delivery,
    /// Further events of the run that came meanwhile; they are judged when this one has ended.
    next: Vec<Delivery>,
    looks: u32,
}

/// A finished piece of work.
struct Ended {
    run_id: RunId,
    task: Option<Task>,
    made: Made,
}

type Answer = (Vec<(RunId, Task, Moved)>, Result<Vec<Outcome>, BackendError>);

/// From which run state to which a change would move its run.
type Moved = Option<(crate::RunState, crate::RunState)>;

/// The state of one stretch of ownership.
struct Stretch<'a> {
    hub: &'a Arc<Hub>,
    work: &'a Arc<dyn Work>,
    options: &'a ProcessOptions,
    process: &'a Arc<str>,
    workflow: &'a crate::WorkflowName,
    metrics: &'a ProcessMetrics,
    totals: &'a Metrics,
    fence: Fence,
    flights: HashMap<RunId, Flight>,
    running: JoinSet<Ended>,
    committing: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// What the present turn of the loop hands in and settles.
    changes: Vec<(Task, Box<Change>)>,
    settled: Vec<Position>,
    /// Events that are to be judged by the store in this turn.
    to_judge: Vec<Delivery>,
    spawn_streak: u32,
    superseded: bool,
}

impl Intake {
    /// Works until the scope ends or the role is seen to have another owner.
    pub(crate) async fn run(&mut self, scope: CancellationToken, fence: Fence) -> Result<(), BackendError> {
        let generation = Generation(fence.epoch.get());
        self.receiver.assign(self.partitions.clone(), generation).await?;
        let mut stretch = Stretch {
            hub: &self.hub,
            work: &self.work,
            options: &self.options,
            process: &self.process,
            workflow: &self.workflow,
            metrics: &self.metrics,
            totals: &self.totals,
            fence,
            flights: HashMap::new(),
            running: JoinSet::new(),
            committing: FuturesUnordered::new(),
            changes: Vec::new(),
            settled: Vec::new(),
            to_judge: Vec::new(),
            spawn_streak: 0,
            superseded: false,
        };
        let ended = stretch.work_until(&scope, &mut *self.receiver, generation).await;
        self.receiver.release().await?;
        ended
    }
}

impl Stretch<'_> {
    async fn work_until(
        &mut self,
        scope: &CancellationToken,
        receiver: &mut dyn DynReceiver,
        generation: Generation,
    ) -> Result<(), BackendError> {
        while !self.superseded {
            let stopping = scope.is_cancelled();
            if stopping && self.flights.is_empty() {
                return Ok(());
            }
            let room = if stopping { 0 } else { self.options.in_flight.saturating_sub(self.flights.len()) };
            tokio::select! {
                biased;
                Some(answer) = self.committing.next(), if !self.committing.is_empty() => self.answered(answer),
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => self.joined(ended),
                () = scope.cancelled(), if !stopping => continue,
                batch = receiver.next_batch(room), if room > 0 => self.take(batch?),
            }
            self.turn(receiver, generation).await?;
        }
        Ok(())
    }

    /// Everything that one wake-up brought: finished work, judgements, one submission, one settlement.
    async fn turn(
        &mut self,
        receiver: &mut dyn DynReceiver,
        generation: Generation,
    ) -> Result<(), BackendError> {
        while let Some(ended) = self.running.try_join_next() {
            self.joined(ended);
        }
        while let Some(Some(answer)) = self.committing.next().now_or_never() {
            self.answered(answer);
        }
        while !self.to_judge.is_empty() {
            self.judge_by_store().await;
        }
        self.submit();
        if !self.settled.is_empty() {
            receiver.settle(&self.settled, generation).await?;
            self.settled.clear();
        }
        Ok(())
    }

    /// New events. Those whose record came along are judged by it: it is what was committed with the event.
    fn take(&mut self, batch: Vec<Delivery>) {
        if let Some(newest) = batch.last() {
            self.metrics.lag(self.hub.clock.now().since(newest.at));
        }
        for delivery in batch {
            self.begin(delivery);
        }
    }

    fn begin(&mut self, delivery: Delivery) {
        let run_id = delivery.event.run_id;
        if let Some(flight) = self.flights.get_mut(&run_id) {
            flight.next.push(delivery);
            return;
        }
        let hint = delivery.record.clone().filter(|record| !self.hub.moved.is_old(record));
        self.flights.insert(run_id, Flight { delivery: delivery.clone(), next: Vec::new(), looks: 0 });
        match hint {
            Some(record)
                if judge(&delivery.event, Some(&record), self.work.consumer()) == Verdict::Process =>
            {
                self.start(&delivery, record, true);
            }
            _ => self.to_judge.push(delivery),
        }
    }

    /// Judges events by what the store has: one query for all of them.
    async fn judge_by_store(&mut self) {
        let events = std::mem::take(&mut self.to_judge);
        let runs: Vec<RunId> = events.iter().map(|delivery| delivery.event.run_id).collect();
        match self.hub.store.lookup(&runs).await {
            Ok(records) => {
                for (delivery, found) in events.into_iter().zip(records) {
                    match found {
                        Ok(record) => self.judged(delivery, record),
                        Err(error) => self.park(&delivery.event, &reason_of(&error)),
                    }
                }
            }
            Err(error) => {
                tracing::warn!(process = %self.process, error = %error, "records cannot be read");
                for delivery in events {
                    self.again_after(delivery.event.run_id, ERROR_BACK_OFF);
                }
            }
        }
    }

    fn judged(&mut self, delivery: Delivery, record: Option<Arc<Record>>) {
        let run_id = delivery.event.run_id;
        if let Some(record) = &record
            && record.workflow_name != *self.workflow
        {
            let reason = format!("the run is of workflow {}, not {}", record.workflow_name, self.workflow);
            return self.park(&delivery.event, &reason);
        }
        match (judge(&delivery.event, record.as_deref(), self.work.consumer()), record) {
            (Verdict::Process, Some(record)) => self.start(&delivery, record, false),
            (Verdict::Stale, Some(record)) => self.look_again(run_id, &delivery.event, &record),
            (Verdict::Skip(Skip::Missing), _) | (_, None) => self.missing(&delivery.event),
            (Verdict::Skip(reason), _) => {
                self.metrics.skipped(reason);
                self.done(run_id);
            }
        }
    }

    /// An event is ahead of its record: the record is read again, and if that does not help, the event is parked.
    fn look_again(&mut self, run_id: RunId, event: &Arc<Event>, record: &Record) {
        let Some(flight) = self.flights.get_mut(&run_id) else { return };
        flight.looks += 1;
        if flight.looks < STALE_LOOKS {
            return self.again_after(run_id, STALE_WAIT);
        }
        let stale = event.version.map_or(0, crate::Version::get);
        let reason = format!("the event is of version {stale}, the store has version {}", record.version);
        self.park(event, &reason);
    }

    fn missing(&mut self, event: &Arc<Event>) {
        self.metrics.skipped(Skip::Missing);
        let mut change = Change::new(event.run_id, Expect::Nothing);
        change.effects.push(Effect::PutDeadLetter(dead_letter(event, self.process, "there is no such run")));
        self.totals.dead_letter();
        tracing::warn!(run_id = %event.run_id, process = %self.process, "event of a run that does not exist is set aside");
        self.submit_alone(event.run_id, change);
    }

    fn park(&mut self, event: &Arc<Event>, reason: &str) {
        tracing::warn!(run_id = %event.run_id, process = %self.process, reason, "event is set aside");
        self.totals.dead_letter();
        let mut change = Change::new(event.run_id, Expect::Nothing);
        change.effects.push(Effect::PutDeadLetter(dead_letter(event, self.process, reason)));
        self.submit_alone(event.run_id, change);
    }

    /// Starts the work on an event: polled here once, moved to a task of its own if it has to wait.
    fn start(&mut self, delivery: &Delivery, record: Arc<Record>, fresh: bool) {
        let task = Task { event: Arc::clone(&delivery.event), record, fence: self.fence.clone(), fresh };
        let work = guarded_work(Arc::clone(self.work), task);
        let wait = (delivery.at + self.options.consume_lag).since(self.hub.clock.now());
        if !self.options.consume_lag.is_zero() && !wait.is_zero() {
            let clock = Arc::clone(&self.hub.clock);
            self.running.spawn(async move {
                clock.sleep(wait).await;
                work.await
            });
        } else {
            self.poll_inline(work);
        }
    }

    fn poll_inline(&mut self, mut work: BoxFuture<'static, Ended>) {
        if self.spawn_streak > 0 {
            self.spawn_streak -= 1;
            self.running.spawn(work);
            return;
        }
        let begun = self.hub.clock.elapsed();
        let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if self.hub.clock.elapsed().saturating_sub(begun) > INLINE_MAX {
            self.spawn_streak = SPAWN_STREAK;
        }
        match polled {
            Poll::Ready(ended) => self.ended(ended),
            // The task polls it again at once, with a waker of its own.
            Poll::Pending => {
                self.running.spawn(work);
            }
        }
    }

    fn joined(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        // A task that was aborted belongs to a stretch that has ended; panics are caught within.
        if let Ok(ended) = ended {
            self.ended(ended);
        }
    }

    fn ended(&mut self, Ended { run_id, task, made }: Ended) {
        match (made, task) {
            (Made::Change(change), Some(task)) => self.changes.push((task, change)),
            (Made::Again, Some(task)) => self.refused_again(run_id, &task),
            (Made::Again | Made::Change(_), None) => self.judge_again(run_id),
            (Made::Nothing, _) => self.done(run_id),
        }
    }

    /// An event has been dealt with; the next one of its run has its turn.
    fn done(&mut self, run_id: RunId) {
        let Some(flight) = self.flights.remove(&run_id) else { return };
        self.settled.push(flight.delivery.position);
        for next in flight.next {
            self.begin(next);
        }
    }

    fn submit(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let lanes = self.hub.commits.lanes();
        let mut parts: Vec<(Vec<(RunId, Task, Moved)>, Vec<Change>)> = Vec::new();
        parts.resize_with(lanes, Default::default);
        for (task, change) in self.changes.drain(..) {
            let (tasks, changes) = &mut parts[self.hub.commits.lane_number(change.run_id)];
            let moved = change.record.as_ref().map(|next| (task.record.run_state, next.run_state));
            tasks.push((task.record.run_id, task, moved));
            changes.push(*change);
        }
        for (tasks, changes) in parts.into_iter().filter(|(tasks, _)| !tasks.is_empty()) {
            let answer = self.hub.commits.submit(changes);
            self.committing.push(Box::pin(wait_for_answer(tasks, answer)));
        }
    }

    /// Stores a change that has no task: a dead letter.
    fn submit_alone(&mut self, run_id: RunId, change: Change) {
        let hub = Arc::clone(self.hub);
        self.running.spawn(async move {
            let made = match hub.commits.commit_one(change).await {
                Ok(_) => Made::Nothing,
                Err(error) => {
                    tracing::warn!(run_id = %run_id, error = %error, "a dead letter could not be stored yet");
                    hub.clock.sleep(ERROR_BACK_OFF).await;
                    Made::Again
                }
            };
            Ended { run_id, task: None, made }
        });
    }

    fn answered(&mut self, (tasks, answer): Answer) {
        match answer {
            Ok(outcomes) => {
                for ((run_id, task, moved), outcome) in tasks.into_iter().zip(outcomes) {
                    self.outcome(run_id, task, moved, outcome);
                }
            }
            Err(error) => {
                self.metrics.error();
                self.superseded |= error.kind() == ErrorKind::Closed;
                for (run_id, _, _) in tasks {
                    self.again_after(run_id, ERROR_BACK_OFF);
                }
            }
        }
    }

    fn outcome(&mut self, run_id: RunId, task: Task, moved: Moved, outcome: Outcome) {
        match outcome {
            Outcome::Stored(_) => {
                if let Some((from, to)) = moved {
                    self.totals.run_state_changed(from, to);
                }
                self.done(run_id);
            }
            Outcome::DuplicateKey => self.done(run_id),
            Outcome::SupersededEpoch { current } => {
                tracing::warn!(process = %self.process, current = %current, "the role has a later owner");
                self.superseded = true;
            }
            Outcome::AttachedFailed(reason) => {
                let work = Arc::clone(self.work);
                self.running.spawn(async move {
                    let made = work.failed(&task, crate::retryable(reason.to_string())).await;
                    Ended { run_id, task: Some(task), made }
                });
            }
            Outcome::Busy => self.again_after(run_id, STALE_WAIT),
            Outcome::VersionConflict { .. } | Outcome::Missing => {
                self.totals.conflict();
                self.judge_again(run_id);
            }
            Outcome::DuplicateActiveRun { .. } | Outcome::DuplicateStartKey { .. } => {
                tracing::error!(run_id = %run_id, ?outcome, "the store refused a move as if it were a new run");
                self.again_after(run_id, ERROR_BACK_OFF);
            }
        }
    }

    /// The work could not be stored as the run is now. That ends by itself when the run has settled; if it does not,
    /// the event is parked.
    fn refused_again(&mut self, run_id: RunId, task: &Task) {
        let Some(flight) = self.flights.get_mut(&run_id) else { return };
        flight.looks += 1;
        match flight.looks {
            1 => self.judge_again(run_id),
            looks if looks < REFUSALS_MAX => self.again_after(run_id, STALE_WAIT),
            _ => {
                let state = task.record.run_state;
                self.park(&task.event, &format!("a run that is {state} cannot be moved"));
            }
        }
    }

    fn judge_again(&mut self, run_id: RunId) {
        if let Some(flight) = self.flights.get(&run_id) {
            self.to_judge.push(flight.delivery.clone());
        }
    }

    fn again_after(&mut self, run_id: RunId, wait: Duration) {
        let clock = Arc::clone(&self.hub.clock);
        self.running.spawn(async move {
            clock.sleep(wait).await;
            Ended { run_id, task: None, made: Made::Again }
        });
    }
}

/// An adapter's error with its cause.
fn reason_of(error: &BackendError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

async fn wait_for_answer(
    tasks: Vec<(RunId, Task, Moved)>,
    answer: oneshot::Receiver<Result<Vec<Outcome>, BackendError>>,
) -> Answer {
    (tasks, answered(answer).await)
}

/// The work on one event, in which a panic outside the user's own future is an error of that run too.
fn guarded_work(work: Arc<dyn Work>, task: Task) -> BoxFuture<'static, Ended> {
    Box::pin(async move {
        let run_id = task.record.run_id;
        let call = AssertUnwindSafe(|| Arc::clone(&work).work(task.clone()));
        let caught: Result<Made, Box<dyn Any + Send>> = match std::panic::catch_unwind(call) {
            Ok(made) => AssertUnwindSafe(made).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        let made = match caught {
            Ok(made) => made,
            Err(panic) => work.failed(&task, panicked(&*panic)).await,
        };
        Ended { run_id, task: Some(task), made }
    })
}
