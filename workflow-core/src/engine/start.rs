//! Starting a workflow's processes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::connectors::ConnectorProcess;
use super::consumers::{Roles, TopicReader};
use super::core::{Core, Object};
use super::due_work::{DueWork, Owned};
use super::hook::{DeleteWork, HookWork};
use super::inbox::InboxWork;
use super::inserter::InserterWork;
use super::intake::Intake;
use super::metrics::ProcessMetrics;
use super::plan::process_name;
use super::reconciler::ReconcileProcess;
use super::role::{Process, Scope, supervise};
use super::running::{Life, Running};
use super::schedules::ScheduleProcess;
use super::step::StepWork;
use crate::adapter::{Backend, BackendError, BoxFuture, Fence, Reach, RoleClaim};
use crate::definition::{ProcessOptions, SchedulePart};
use crate::{Error, GroupName, RoleName, Shard, Status, StatusCode, Topic, Workflow};

/// When a stream is asked again for topics that could not be made.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// The most timeouts of one status in flight: what a semaphore can count.
const IN_FLIGHT_MAX: u32 = 1 << 20;

impl<T: Object, S: Status> Workflow<T, S> {
    /// Runs the workflow's processes in this process, on a backend. Whatever was in flight when the last process ended
    /// goes on.
    ///
    /// # Errors
    /// [`Error::CannotRun`] if a process has more shards than its topic has partitions, or the workflow runs here
    /// already; a backend error of kind `AlreadyRunning` if another process runs on the same store; and what the
    /// adapters say.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let running = orders().run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
    /// assert_eq!(running.wait_for(&run).finished().await?.status(), Declined);
    /// # );
    /// ```
    pub async fn run(&self, backend: impl Into<Backend>) -> Result<Running<T, S>, Error> {
        let core = Core::new(Arc::clone(self.definition()), backend.into());
        core.hub.enter(&core.definition.name, core.definition.outbox).await?;
        let starter = Starter::new(core);
        match starter.start().await {
            Ok(()) => Ok(Running::new(starter.life())),
            Err(error) => {
                starter.intake.cancel();
                starter.core.hub.leave(&starter.core.definition.name).await;
                Err(error)
            }
        }
    }

    /// The workflow on a backend, without its processes: for triggers, callbacks and reads where another process runs
    /// it.
    ///
    /// # Errors
    /// None today; a backend may have to be asked.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let memory = Memory::new();
    /// let client = orders().connect(&memory).await?;
    /// let run = client.trigger("order-17", Order { cents: 50_000 }).await?;
    /// // Nobody has run it yet.
    /// assert_eq!(client.get(&run).await?.run_state(), RunState::Initiated);
    /// # );
    /// ```
    pub async fn connect(&self, backend: impl Into<Backend>) -> Result<Client<T, S>, Error> {
        Ok(Client::new(Core::new(Arc::clone(self.definition()), backend.into())))
    }
}

/// What it takes to start a process of a workflow.
pub(crate) struct Starter<T: Object, S: Status> {
    pub(super) core: Arc<Core<T, S>>,
    intake: CancellationToken,
    aborts: CancellationToken,
    tasks: TaskTracker,
    due: Arc<DueWork<T, S>>,
}

impl<T: Object, S: Status> Starter<T, S> {
    fn new(core: Arc<Core<T, S>>) -> Self {
        let tasks = TaskTracker::new();
        let due = DueWork::new(Arc::clone(&core), tasks.clone());
        Self { core, intake: CancellationToken::new(), aborts: CancellationToken::new(), tasks, due }
    }

    /// To start more of a workflow that runs.
    pub(crate) fn of(life: &Life<T, S>) -> Self {
        Self {
            core: Arc::clone(life.client.core()),
            intake: life.intake.clone(),
            aborts: life.aborts.clone(),
            tasks: life.tasks.clone(),
            due: Arc::clone(&life.due),
        }
    }

    fn life(self) -> Life<T, S> {
        Life {
            client: Client::new(self.core),
            intake: self.intake,
            tasks: self.tasks,
            aborts: self.aborts,
            due: self.due,
            left: AtomicBool::new(false),
        }
    }

    /// Opens every consumer before anything is published, so that no event finds its topic without a reader.
    async fn start(&self) -> Result<(), Error> {
        self.make_topics();
        self.steps().await?;
        self.hooks().await?;
        self.status_helpers().await?;
        self.connectors();
        for part in &self.core.definition.schedules {
            self.schedule(Arc::clone(part));
        }
        let group = GroupName::of_reconciler(&self.core.definition.name);
        let metrics = self.metrics(&group, &ProcessOptions::default());
        self.spawn(
            &group,
            Shard::WHOLE,
            group.single_role(),
            metrics,
            ReconcileProcess::new(Arc::clone(&self.core), Arc::clone(&self.due)),
        );
        let taker: Arc<dyn super::due::TakesDue> = Arc::clone(&self.due) as _;
        let outbox = GroupName::of_outbox(&self.core.definition.name);
        let options = self.core.definition.outbox;
        let outbox_metrics = (options.enabled && self.core.hub.relays())
            .then(|| self.core.metrics.process(&outbox.as_str().into(), options.lag_alert));
        self.core.hub.register(&self.core.definition.name, Arc::downgrade(&taker), outbox_metrics);
        Ok(())
    }

    /// Has the stream make topics that nobody here reads: the events of a workflow without hooks, too, go to the topic of
    /// run state changes, and the relay would hold them as long as that is missing.
    fn make_topics(&self) {
        if self.core.hub.streamer.reach() == Reach::Cluster {
            let made = make_topics(Arc::clone(&self.core));
            self.tasks.spawn(self.intake.clone().run_until_cancelled_owned(made));
        }
    }

    async fn steps(&self) -> Result<(), Error> {
        for (at, part) in self.core.definition.steps.iter().enumerate() {
            let group = GroupName::of_step(&self.core.definition.name, part.from.code());
            let topic = Topic::of_status(&self.core.definition.name, part.from.code());
            let consumer =
                TopicReader { group: &group, topic: &topic, options: &part.options, roles: Roles::Sharded };
            self.consume(consumer, |metrics| {
                let (core, process) = (Arc::clone(&self.core), process_name(&group));
                Arc::new(StepWork { core, part: at, process, metrics })
            })
            .await?;
        }
        Ok(())
    }

    async fn hooks(&self) -> Result<(), Error> {
        let name = &self.core.definition.name;
        for (at, part) in self.core.definition.hooks.iter().enumerate() {
            let group = GroupName::of_hook(name, part.run_state);
            let topic = &self.core.plan.run_state_changes;
            let consumer = TopicReader { group: &group, topic, options: &part.options, roles: Roles::Single };
            self.consume(consumer, |metrics| {
                let (core, process) = (Arc::clone(&self.core), process_name(&group));
                Arc::new(HookWork { core, part: at, process, metrics })
            })
            .await?;
        }
        let group = GroupName::of_deletions(name);
        let options = &self.core.definition.delete_options;
        let topic = &self.core.plan.deletions;
        let consumer = TopicReader { group: &group, topic, options, roles: Roles::Single };
        self.consume(consumer, |metrics| Arc::new(DeleteWork { core: Arc::clone(&self.core), metrics })).await
    }

    /// The timeouts, timer inserters and inboxes of statuses.
    async fn status_helpers(&self) -> Result<(), Error> {
        let name = &self.core.definition.name;
        for status in S::ALL.iter().map(|status| status.code()) {
            let Some(plan) = self.core.plan.status(status) else { continue };
            let options = self.core.definition.timeouts_of(status).next().map(|part| part.options.clone());
            if let Some(options) = &options {
                self.timeouts(status, options);
                let group = GroupName::of_timeout_inserter(name, status);
                let consumer =
                    TopicReader { group: &group, topic: &plan.topic, options, roles: Roles::Single };
                self.consume(consumer, |metrics| {
                    let (core, process) = (Arc::clone(&self.core), process_name(&group));
                    Arc::new(InserterWork { core, process, options: options.clone(), metrics })
                })
                .await?;
            }
            if plan.has_inbox {
                let group = GroupName::of_inbox(name, status);
                let options = ProcessOptions::default();
                let consumer = TopicReader {
                    group: &group,
                    topic: &plan.topic,
                    options: &options,
                    roles: Roles::Single,
                };
                self.consume(consumer, |metrics| {
                    let (core, process) = (Arc::clone(&self.core), process_name(&group));
                    Arc::new(InboxWork { core, process, options: options.clone(), metrics })
                })
                .await?;
            }
        }
        Ok(())
    }

    fn timeouts(&self, status: StatusCode, options: &ProcessOptions) {
        let group = GroupName::of_timeouts(&self.core.definition.name, status);
        let metrics = self.metrics(&group, options);
        let in_flight = u32::try_from(options.in_flight).unwrap_or(u32::MAX).min(IN_FLIGHT_MAX);
        let process = TimeoutRole {
            due: Arc::clone(&self.due),
            status,
            process: process_name(&group),
            metrics: Arc::clone(&metrics),
            room: Arc::new(Semaphore::new(in_flight as usize)),
            in_flight,
        };
        self.spawn(&group, Shard::WHOLE, group.single_role(), metrics, process);
    }

    fn connectors(&self) {
        for (at, part) in self.core.definition.connectors.iter().enumerate() {
            let group = GroupName::of_connector(&part.name, &self.core.definition.name);
            for shard in Shard::all(part.options.shards) {
                let metrics = self.role_metrics(&group.role(shard), &part.options);
                let process = ConnectorProcess {
                    core: Arc::clone(&self.core),
                    part: at,
                    api: super::api::api_of(&self.core),
                    group: group.clone(),
                    shard,
                    metrics: Arc::clone(&metrics),
                };
                self.spawn(&group, shard, group.role(shard), metrics, process);
            }
        }
    }

    pub(crate) fn schedule(&self, part: Arc<SchedulePart<T, S>>) {
        let name = &self.core.definition.name;
        let group = GroupName::of_schedule(name, &part.foreign_id, part.spec.as_str());
        let metrics = self.metrics(&group, &ProcessOptions::default());
        let process = ScheduleProcess { core: Arc::clone(&self.core), part, metrics: Arc::clone(&metrics) };
        self.spawn(&group, Shard::WHOLE, group.single_role(), metrics, process);
    }

    fn metrics(&self, group: &GroupName, options: &ProcessOptions) -> Arc<ProcessMetrics> {
        self.role_metrics(&group.single_role(), options)
    }

    pub(super) fn role_metrics(&self, role: &RoleName, options: &ProcessOptions) -> Arc<ProcessMetrics> {
        let alert = options.lag_alert.saturating_add(options.consume_lag);
        self.core.metrics.process(&role.as_str().into(), alert)
    }

    pub(super) fn spawn(
        &self,
        group: &GroupName,
        shard: Shard,
        role: RoleName,
        metrics: Arc<ProcessMetrics>,
        process: impl Process,
    ) {
        let claim = RoleClaim { group: group.clone(), role, shard };
        let supervised = supervise(Arc::clone(&self.core.hub), claim, metrics, process, self.intake.clone());
        let aborts = self.aborts.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = supervised => {}
                () = aborts.cancelled() => {}
            }
        });
    }
}

impl Process for Intake {
    fn run<'a>(&'a mut self, scope: Scope, fence: Fence) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(Intake::run(self, scope, fence))
    }

    fn give_up<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(self.source.give_up())
    }
}

/// The role of a status's timeouts: while it is owned, due timers are fired here.
struct TimeoutRole<T: Object, S: Status> {
    due: Arc<DueWork<T, S>>,
    status: StatusCode,
    process: crate::ProcessName,
    metrics: Arc<ProcessMetrics>,
    room: Arc<Semaphore>,
    in_flight: u32,
}

impl<T: Object, S: Status> Process for TimeoutRole<T, S> {
    fn run<'a>(&'a mut self, scope: Scope, fence: Fence) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let owned = Owned {
                fence,
                scope: scope.clone(),
                process: self.process.clone(),
                metrics: Arc::clone(&self.metrics),
                room: Arc::clone(&self.room),
            };
            let room = Arc::clone(&owned.room);
            self.due.own(self.status, Some(owned));
            scope.end.cancelled().await;
            self.due.own(self.status, None);
            // The role is given back when those that were begun have ended; those that wait see that it is gone.
            let _all = room.acquire_many(self.in_flight).await;
            Ok(())
        })
    }
}

/// Asks for every topic of the workflow; a stream that does not answer is asked again.
async fn make_topics<T: Object, S: Status>(core: Arc<Core<T, S>>) {
    let mut left: Vec<&Topic> = core.plan.topics().collect();
    let mut is_told = false;
    loop {
        let mut unanswered = Vec::new();
        for topic in left {
            let Err(error) = core.hub.streamer.partitions(topic).await else { continue };
            if !is_told {
                tracing::warn!(topic = %topic, error = %super::with_causes(&error), "a topic cannot be used yet");
            }
            if error.is_retryable() {
                unanswered.push(topic);
            }
        }
        if unanswered.is_empty() {
            return;
        }
        (left, is_told) = (unanswered, true);
        core.hub.clock.sleep(ASK_AGAIN).await;
    }
}
