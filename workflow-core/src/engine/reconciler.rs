//! The process that finds runs which nothing drives, and sends their event again. It also owns the workflow's retries: one
//! process of a cluster asks what is due and sends it again.

use std::collections::HashMap;
use std::sync::Arc;

use super::core::{Core, Object};
use super::due_work::DueWork;
use super::role::{Process, Scope};
use crate::adapter::{BackendError, BoxFuture, Change, Cursor, Fence, Outcome};
use crate::{Event, GroupName, Record, RunId, RunState, Status, Timestamp, Topic, Version};

/// How many live runs one slice looks at.
const SLICE: usize = 500;

/// How many retry rows are counted at most.
const RETRIES_COUNTED_MAX: usize = 10_000;

/// After so many times the wait for a run to be looked at, its event is sent again although the step's group has not come so
/// far: one event that is stuck must not hide for ever that another is lost.
const ANYWAY_FACTOR: u32 = 12;

/// The wait between two events for one run doubles so often.
const DOUBLINGS_MAX: u32 = 6;

pub(crate) struct ReconcileProcess<T, S> {
    core: Arc<Core<T, S>>,
    due: Arc<DueWork<T, S>>,
    /// The runs that got their event again, and when they may get it once more.
    sent: HashMap<RunId, Sent>,
}

/// An event that was sent again.
struct Sent {
    version: Version,
    times: u32,
    not_before: Timestamp,
    /// Whether the walk that is under way has met the run.
    met: bool,
}

impl<T: Object, S: Status> Process for ReconcileProcess<T, S> {
    fn run<'a>(&'a mut self, scope: Scope, fence: Fence) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            self.due.send_as(Some(fence.clone())).await;
            let ended = self.walk_until(&scope, &fence).await;
            self.due.send_as(None).await;
            // They are counted by another process from now on, and would count twice in a sum.
            self.core.metrics.retries_waiting(0);
            ended
        })
    }
}

impl<T: Object, S: Status> ReconcileProcess<T, S> {
    pub(crate) fn new(core: Arc<Core<T, S>>, due: Arc<DueWork<T, S>>) -> Self {
        Self { core, due, sent: HashMap::new() }
    }

    async fn walk_until(&mut self, scope: &Scope, fence: &Fence) -> Result<(), BackendError> {
        loop {
            self.count_retries().await;
            let clock = Arc::clone(&self.core.hub.clock);
            tokio::select! {
                () = clock.sleep(self.core.definition.reconcile.every) => {}
                () = scope.end.cancelled() => return Ok(()),
            }
            tokio::select! {
                walked = self.walk(fence) => walked?,
                () = scope.end.cancelled() => return Ok(()),
            }
        }
    }

    /// Counts the retries that wait; nothing hangs on it.
    async fn count_retries(&self) {
        let counted =
            self.core.hub.store.waiting_retries(&self.core.definition.name, RETRIES_COUNTED_MAX).await;
        match counted {
            Ok(retries) => self.core.metrics.retries_waiting(retries),
            Err(error) => {
                tracing::debug!(error = %super::with_causes(&error), "the retries cannot be counted");
            }
        }
    }

    async fn walk(&mut self, fence: &Fence) -> Result<(), BackendError> {
        let mut settled = Settled::default();
        self.sent.values_mut().for_each(|sent| sent.met = false);
        let mut after: Option<Cursor> = None;
        loop {
            let untouched_for = self.core.definition.reconcile.untouched_for;
            let name = &self.core.definition.name;
            let slice = self.core.hub.store.driverless(name, untouched_for, after, SLICE).await?;
            self.drive(&slice.records, &mut settled, fence).await?;
            match slice.next {
                Some(cursor) => after = Some(cursor),
                None => break,
            }
        }
        self.sent.retain(|_, sent| sent.met);
        Ok(())
    }

    async fn drive(
        &mut self,
        records: &[Arc<Record>],
        settled: &mut Settled,
        fence: &Fence,
    ) -> Result<(), BackendError> {
        let mut changes: Vec<Change> = Vec::new();
        for record in records {
            if self.may_be_sent(record)
                && self.waits_for_an_event(record).await?
                && self.is_lost(record, settled).await?
            {
                changes.push(self.event_again(record));
                self.note(record);
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        for change in &mut changes {
            change.fence = Some(fence.clone());
        }
        let outcomes = self.core.hub.commits.commit(changes).await?;
        let sent = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Stored(_))).count();
        self.core.metrics.reconciled(sent);
        tracing::warn!(workflow = %self.core.definition.name, runs = sent, "runs that nothing drove get their event again");
        Ok(())
    }

    /// Whether a run's event has not been sent again just before: it may be on its way.
    fn may_be_sent(&mut self, record: &Record) -> bool {
        match self.sent.get_mut(&record.run_id) {
            Some(sent) if sent.version == record.version => {
                sent.met = true;
                sent.not_before <= self.core.hub.clock.now()
            }
            _ => true,
        }
    }

    fn note(&mut self, record: &Record) {
        let before = self.sent.get(&record.run_id).filter(|sent| sent.version == record.version);
        let times = before.map_or(0, |sent| sent.times);
        let wait = self.core.definition.reconcile.untouched_for * (1 << times.min(DOUBLINGS_MAX));
        let not_before = self.core.hub.clock.now() + wait;
        let sent = Sent { version: record.version, times: times + 1, not_before, met: true };
        self.sent.insert(record.run_id, sent);
    }

    /// Whether an event is lost, and not only waiting in the stream: that its outbox row is gone says so where rows stay until
    /// their events are settled; elsewhere the step's group must have come past it.
    async fn is_lost(&self, record: &Record, settled: &mut Settled) -> Result<bool, BackendError> {
        let (now, untouched_for) = (self.core.hub.clock.now(), self.core.definition.reconcile.untouched_for);
        if now.since(record.updated_at) > untouched_for.saturating_mul(ANYWAY_FACTOR) {
            return Ok(true);
        }
        let name = &record.workflow_name;
        let group = match self.core.plan.status(record.status) {
            Some(plan) if plan.has_step => GroupName::of_step(name, record.status),
            _ => GroupName::of_inbox(name, record.status),
        };
        let topic = self.core.plan.topic(name, record.run_state, record.status);
        settled.has(&self.core, topic, group, now.before(untouched_for)).await
    }

    /// Whether somebody should be working on a run: its step, or a callback that came early. One that waits for a
    /// callback needs no event, and timers are found without one.
    async fn waits_for_an_event(&self, record: &Record) -> Result<bool, BackendError> {
        let Some(plan) = self.core.plan.status(record.status) else { return Ok(false) };
        if !matches!(record.run_state, RunState::Initiated | RunState::Running) {
            return Ok(false);
        }
        if plan.has_step || !plan.has_inbox {
            return Ok(plan.has_step);
        }
        let inbox = self.core.hub.store.inbox(record.run_id, record.status).await?;
        Ok(inbox.iter().any(|callback| !callback.applied))
    }

    fn event_again(&self, record: &Record) -> Change {
        let topic = self.core.plan.topic(&record.workflow_name, record.run_state, record.status);
        let event = Event::of_record(record, topic);
        self.core.emit_again(record.run_id, record.version, &event, &[])
    }
}

/// Which groups have settled what was published before a walk looked back to: asked once a walk.
#[derive(Default)]
struct Settled(HashMap<GroupName, bool>);

impl Settled {
    async fn has<T: Object, S: Status>(
        &mut self,
        core: &Core<T, S>,
        topic: Topic,
        group: GroupName,
        until: Timestamp,
    ) -> Result<bool, BackendError> {
        if let Some(known) = self.0.get(&group) {
            return Ok(*known);
        }
        let settled = core.hub.streamer.has_settled(&topic, &group, until).await?;
        self.0.insert(group, settled);
        Ok(settled)
    }
}
