//! The consumer that sets the timers of a status that was entered without them: by another program, or when a timer
//! failed.

use std::sync::Arc;

use super::core::{Core, Object};
use super::failure::GivingUp;
use super::metrics::ProcessMetrics;
use super::work::{Made, Task, Work};
use crate::adapter::{BackendError, BoxFuture, Effect, HistoryQuery, RetryKey};
use crate::definition::ProcessOptions;
use crate::{Consumer, ProcessName, Status, StepError, Version, header, retryable, terminal};

/// How much of a run's history is read at once.
const HISTORY_PAGE: usize = 500;

pub(crate) struct InserterWork<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
    pub(crate) process: ProcessName,
    pub(crate) options: ProcessOptions,
    pub(crate) metrics: Arc<ProcessMetrics>,
}

impl<T: Object, S: Status> Work for InserterWork<T, S> {
    fn consumer(&self) -> Consumer {
        Consumer::Step
    }

    fn work(self: Arc<Self>, task: Task) -> BoxFuture<'static, Made> {
        Box::pin(async move {
            if task.event.header(header::TIMERS_SET).is_some() {
                return Made::Nothing;
            }
            match self.insert(&task).await {
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

impl<T: Object, S: Status> InserterWork<T, S> {
    async fn insert(&self, task: &Task) -> Result<Made, StepError> {
        let run =
            self.core.open(&task.record, task.event.attempt(), Some(task.fence.clone())).map_err(terminal)?;
        let entered = match self.entered(task).await {
            Ok(entered) => entered,
            Err(error) => return Ok(Made::later(&error, "the history")),
        };
        let mut change = self.core.effects_at(task);
        if !self.core.set_timers(&run, &task.record, entered, &mut change.effects) {
            return Err(retryable("a timer failed"));
        }
        let key =
            RetryKey { run_id: task.record.run_id, version: task.version(), process: self.process.clone() };
        change.effects.push(Effect::DeleteRetry(key));
        Ok(Made::change(change))
    }

    /// The version with which the run entered its status: a repetition or a resume does not enter it again.
    async fn entered(&self, task: &Task) -> Result<Version, BackendError> {
        let record = &task.record;
        let (mut entered, mut after, mut last) = (record.version, None, None);
        loop {
            let query = HistoryQuery { run_id: record.run_id, after, limit: HISTORY_PAGE };
            let page = self.core.hub.store.history(&query).await?;
            for entry in &page {
                if entry.to_status == record.status && last != Some(record.status) {
                    entered = entry.version;
                }
                last = Some(entry.to_status);
            }
            match page.last() {
                Some(entry) if page.len() == HISTORY_PAGE => after = Some(entry.version),
                _ => return Ok(entered),
            }
        }
    }
}
