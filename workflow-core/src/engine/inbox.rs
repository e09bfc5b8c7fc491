//! The consumer that applies callbacks which came before their status was entered.

use std::sync::Arc;

use tracing::Instrument;

use super::callback::{Applying, callback_span};
use super::core::{Core, Object};
use super::failure::GivingUp;
use super::metrics::ProcessMetrics;
use super::work::{Made, Task, Work};
use crate::adapter::{BoxFuture, Effect, RetryKey};
use crate::definition::{Payload, ProcessOptions};
use crate::{Consumer, Error, ProcessName, Status, StepError, retryable, terminal};

pub(crate) struct InboxWork<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
    pub(crate) process: ProcessName,
    pub(crate) options: ProcessOptions,
    pub(crate) metrics: Arc<ProcessMetrics>,
}

impl<T: Object, S: Status> Work for InboxWork<T, S> {
    fn consumer(&self) -> Consumer {
        Consumer::Step
    }

    fn work(self: Arc<Self>, task: Task) -> BoxFuture<'static, Made> {
        Box::pin(async move {
            let span = callback_span(&self.core.definition.name, &task.record.foreign_id);
            self.core.hub.trace.follow(&span, &task.event.headers);
            match self.apply(&task).instrument(span).await {
                Ok(made) => made,
                Err(error) => self.failed(&task, error).await,
            }
        })
    }

    fn failed<'a>(&'a self, task: &'a Task, error: StepError) -> BoxFuture<'a, Made> {
        Box::pin(async move {
            self.metrics.error();
            self.core.failed(&self.process, &self.options, GivingUp::Pauses, task, &error).await
        })
    }
}

impl<T: Object, S: Status> InboxWork<T, S> {
    /// Applies the oldest callback that is waiting. If the run stays in its status, its next event brings the next one.
    async fn apply(&self, task: &Task) -> Result<Made, StepError> {
        let record = &task.record;
        let waiting = match self.core.hub.store.inbox(record.run_id, record.status).await {
            Ok(waiting) => waiting,
            Err(error) => return Ok(Made::later(&error, "the inbox")),
        };
        let waiting = waiting.into_iter().filter(|callback| !callback.applied);
        let mut skipped = Vec::new();
        for callback in waiting {
            let applied = Effect::ApplyCallback { status: callback.status, key: Arc::clone(&callback.key) };
            let applying = self.core.apply_callbacks(record, Payload::from(callback.payload)).await;
            match applying.map_err(as_step_error)? {
                Applying::Skipped => skipped.push(applied),
                Applying::Moves(mut change) => {
                    change.fence = Some(task.fence.clone());
                    change.effects.extend(skipped);
                    change.effects.push(applied);
                    return Ok(Made::Change(change));
                }
                Applying::Refused => return Ok(Made::Again),
            }
        }
        if skipped.is_empty() && task.event.attempt() == 1 {
            return Ok(Made::Nothing);
        }
        let mut change = self.core.effects_at(task);
        change.effects.extend(skipped);
        let process = self.process.clone();
        let retry = RetryKey { run_id: record.run_id, version: task.version(), process };
        change.effects.push(Effect::DeleteRetry(retry));
        Ok(Made::change(change))
    }
}

fn as_step_error(error: Error) -> StepError {
    match error {
        Error::Function { .. } => retryable(error),
        other => terminal(other),
    }
}
