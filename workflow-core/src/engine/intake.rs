//! The loop that every consumer of a topic shares: take events, judge them, have them worked on, store, settle.
//!
//! Many runs are in flight at once, never two events of one run. An event is settled when its outcome is durable, so
//! that whoever takes over the role after a crash gets exactly those that had none.

mod judging;
mod parking;
mod source;
mod storing;

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::task::JoinSet;

use self::source::Opened;
pub(crate) use self::source::Source;
use super::attempt::panicked;
use super::hub::Hub;
use super::metrics::{Metrics, ProcessMetrics};
use super::role::Scope;
use super::work::{Made, Task, Work};
use crate::adapter::{
    BackendError, BoxFuture, Change, Delivery, DynReceiver, Fence, Generation, Outcome, Position,
};
use crate::definition::ProcessOptions;
use crate::run::CancelSignals;
use crate::{Record, RunId, Skip, Timestamp, Topic, Verdict, header, judge};

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
    pub(crate) signals: Arc<CancelSignals>,
    pub(crate) source: Source,
}

/// What is known of a run that is in flight.
struct Flight {
    delivery: Delivery,
    /// Further events of the run that came meanwhile; they are judged when this one has ended.
    next: Vec<Delivery>,
    looks: u32,
    /// How often in a row its outcome could not be stored.
    unstored: u32,
    /// Whether nothing is done about it until a sleep has ended.
    waits: bool,
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
    topic: Topic,
    metrics: &'a ProcessMetrics,
    totals: &'a Metrics,
    signals: &'a CancelSignals,
    fence: Fence,
    scope: &'a Scope,
    /// When this ownership of the role began.
    since: Timestamp,
    flights: HashMap<RunId, Flight>,
    running: JoinSet<Ended>,
    committing: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Messages that are not events, on their way to the dead letters.
    parking: JoinSet<Position>,
    /// What the present turn of the loop hands in and settles.
    changes: Vec<(Task, Box<Change>)>,
    settled: Vec<Position>,
    /// Events that are to be judged by the store in this turn.
    to_judge: Vec<Delivery>,
    spawn_streak: u32,
    /// No more is begun; what is not stored yet is left to whoever owns the role next.
    stopping: bool,
    superseded: bool,
    /// The topic has got more partitions: they are taken over when what is in flight has ended.
    grown: bool,
}

impl Intake {
    /// Works until the scope ends or the role is seen to have another owner.
    pub(crate) async fn run(&mut self, scope: Scope, fence: Fence) -> Result<(), BackendError> {
        loop {
            let opened = tokio::select! {
                opened = self.source.open(fence.epoch) => opened,
                () = scope.end.cancelled() => return self.source.close().await,
            };
            let ended = match opened {
                Ok(Opened { generation, partitions }) => {
                    let grown = self.source.grown(partitions);
                    self.stretch(&scope, fence.clone(), generation, grown).await
                }
                Err(error) => Err(error),
            };
            self.source.close().await?;
            match ended? {
                Break::Ended => return Ok(()),
                Break::Grown => {
                    tracing::info!(process = %self.process, "the topic has other partitions than before")
                }
            }
        }
    }

    async fn stretch(
        &mut self,
        scope: &Scope,
        fence: Fence,
        generation: Generation,
        grown: impl Future<Output = ()> + Send,
    ) -> Result<Break, BackendError> {
        let mut stretch = Stretch {
            hub: &self.hub,
            work: &self.work,
            options: &self.options,
            process: &self.process,
            workflow: &self.workflow,
            topic: self.source.topic().clone(),
            metrics: &self.metrics,
            totals: &self.totals,
            signals: &self.signals,
            fence,
            scope,
            since: self.hub.clock.now(),
            flights: HashMap::new(),
            running: JoinSet::new(),
            committing: FuturesUnordered::new(),
            parking: JoinSet::new(),
            changes: Vec::new(),
            settled: Vec::new(),
            to_judge: Vec::new(),
            spawn_streak: 0,
            stopping: false,
            superseded: false,
            grown: false,
        };
        let receiver = self.source.receiver().await?;
        stretch.work_until(scope, receiver, generation, std::pin::pin!(grown)).await?;
        Ok(if stretch.grown && !scope.end.is_cancelled() && !stretch.superseded {
            Break::Grown
        } else {
            Break::Ended
        })
    }
}

/// Why a stretch of events has ended.
enum Break {
    /// The role is not ours any more, or is given back.
    Ended,
    /// Other partitions are to be taken over.
    Grown,
}

impl Stretch<'_> {
    async fn work_until(
        &mut self,
        scope: &Scope,
        receiver: &mut dyn DynReceiver,
        generation: Generation,
        mut grown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<(), BackendError> {
        let mut hurried = false;
        while !self.superseded {
            self.stopping = self.grown || scope.is_over();
            if self.stopping {
                // What only waits is left to the next owner.
                self.flights.retain(|_, flight| !flight.waits);
            }
            if self.stopping && self.flights.is_empty() {
                return Ok(());
            }
            let taken = self.flights.len() + self.parking.len();
            let room = if self.stopping { 0 } else { self.options.in_flight.saturating_sub(taken) };
            tokio::select! {
                biased;
                Some(answer) = self.committing.next(), if !self.committing.is_empty() => self.answered(answer),
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => self.joined(ended),
                () = scope.end.cancelled(), if !self.stopping => continue,
                () = scope.hurry.cancelled(), if !hurried => {
                    hurried = true;
                    self.tell_to_stop();
                }
                () = &mut grown, if !self.grown => {
                    self.grown = true;
                    continue;
                }
                Some(parked) = self.parking.join_next(), if !self.parking.is_empty() => self.settled.extend(parked.ok()),
                batch = receiver.next_batch(room), if room > 0 => {
                    self.take(batch?);
                    receiver.unreadable().into_iter().for_each(|message| self.park_unreadable(message));
                }
            }
            self.turn(receiver, generation).await?;
        }
        Ok(())
    }

    /// Tells what is in flight that its role is lost.
    fn tell_to_stop(&self) {
        for (run_id, flight) in &self.flights {
            let version = flight.delivery.event.version.or(flight
                .delivery
                .record
                .as_ref()
                .map(|record| record.version));
            if let Some(version) = version {
                self.signals.cancel(*run_id, version.next());
            }
        }
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
        if delivery.event.header(header::RETRY_FOR).is_some_and(|process| process != &**self.process) {
            self.metrics.skipped(Skip::NotWanted);
            self.settled.push(delivery.position);
            return;
        }
        if let Some(flight) = self.flights.get_mut(&run_id) {
            flight.next.push(delivery);
            return;
        }
        let flight =
            Flight { delivery: delivery.clone(), next: Vec::new(), looks: 0, unstored: 0, waits: false };
        self.flights.insert(run_id, flight);
        if !self.options.consume_lag.is_zero() {
            let wait = (delivery.at + self.options.consume_lag).since(self.hub.clock.now());
            if !wait.is_zero() {
                // It is judged after the wait: its run may be stopped meanwhile.
                return self.again_after(run_id, wait);
            }
        }
        let hint = delivery.record.clone().filter(|record| !self.hub.moved.is_old(record));
        match hint {
            Some(record)
                if judge(&delivery.event, Some(&record), self.work.consumer()) == Verdict::Process =>
            {
                self.start(&delivery, record, true);
            }
            _ => self.to_judge.push(delivery),
        }
    }

    /// Starts the work on an event: polled here once, moved to a task of its own if it has to wait.
    fn start(&mut self, delivery: &Delivery, record: Arc<Record>, fresh: bool) {
        if self.scope.is_over() {
            // It is left to whoever owns the role next.
            self.flights.remove(&delivery.event.run_id);
            return;
        }
        let task = Task {
            event: Arc::clone(&delivery.event),
            record,
            fence: self.fence.clone(),
            fresh,
            inherited: !fresh && delivery.at < self.since,
        };
        self.poll_inline(guarded_work(Arc::clone(self.work), task));
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
            (Made::Later, _) => self.again_after(run_id, judging::ERROR_BACK_OFF),
            (Made::Nothing, _) => self.done(run_id),
        }
    }

    /// An event has been dealt with; the next one of its run has its turn.
    fn done(&mut self, run_id: RunId) {
        let Some(flight) = self.flights.remove(&run_id) else { return };
        self.settled.push(flight.delivery.position);
        if self.stopping {
            return;
        }
        for mut next in flight.next {
            if next.event.version <= flight.delivery.event.version {
                // A repetition: what came of the event is not in the record that came along.
                next.record = None;
            }
            self.begin(next);
        }
    }
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
