//! The process that finds runs which nothing drives, and sends their event again.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::core::{Core, Object};
use super::role::Process;
use crate::adapter::{BackendError, BoxFuture, Change, Cursor, Fence, Outcome};
use crate::{Event, Record, RunState, Status};

/// How many live runs one slice looks at.
const SLICE: usize = 500;

pub(crate) struct ReconcileProcess<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
}

impl<T: Object, S: Status> Process for ReconcileProcess<T, S> {
    fn run<'a>(
        &'a mut self,
        scope: CancellationToken,
        fence: Fence,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            loop {
                tokio::select! {
                    () = self.core.hub.clock.sleep(self.core.definition.reconcile.every) => {}
                    () = scope.cancelled() => return Ok(()),
                }
                tokio::select! {
                    walked = self.walk(&fence) => walked?,
                    () = scope.cancelled() => return Ok(()),
                }
            }
        })
    }
}

impl<T: Object, S: Status> ReconcileProcess<T, S> {
    async fn walk(&self, fence: &Fence) -> Result<(), BackendError> {
        let mut after: Option<Cursor> = None;
        loop {
            let untouched_for = self.core.definition.reconcile.untouched_for;
            let name = &self.core.definition.name;
            let slice = self.core.hub.store.driverless(name, untouched_for, after, SLICE).await?;
            self.drive(&slice.records, fence).await?;
            match slice.next {
                Some(cursor) => after = Some(cursor),
                None => return Ok(()),
            }
        }
    }

    async fn drive(&self, records: &[Arc<Record>], fence: &Fence) -> Result<(), BackendError> {
        let mut changes: Vec<Change> = Vec::new();
        for record in records {
            if self.waits_for_an_event(record).await? {
                changes.push(self.event_again(record));
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
