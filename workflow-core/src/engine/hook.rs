//! The consumers of run state changes and deletions: work on runs that have ended or stand still.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::attempt::{Limits, Stopped, attempt_span, guarded, panicked};
use super::core::{Core, Object, decode};
use super::failure::GivingUp;
use super::metrics::ProcessMetrics;
use super::moves::Stamp;
use super::work::{Made, Task, Work};
use crate::adapter::{BackendError, BoxFuture, Effect, RetryKey, RetryUpdate};
use crate::definition::HookPart;
use crate::{
    Actor, Consumer, Due, Move, ProcessName, Record, RunState, Status, StepError, Transition, Version,
    header, retryable, terminal,
};

/// How long a deletion waits for the hook on its run's end, before it looks again.
const HOOK_WAIT: Duration = Duration::from_secs(1);

/// A hook on a run state.
pub(crate) struct HookWork<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
    pub(crate) part: usize,
    pub(crate) process: ProcessName,
    pub(crate) metrics: Arc<ProcessMetrics>,
}

impl<T: Object, S: Status> Work for HookWork<T, S> {
    fn consumer(&self) -> Consumer {
        Consumer::Hook(self.part().run_state)
    }

    fn work(self: Arc<Self>, task: Task) -> BoxFuture<'static, Made> {
        Box::pin(async move {
            match self.is_done(&task).await {
                Ok(true) => return Made::Nothing,
                Ok(false) => {}
                Err(error) => return Made::later(&error, "what is owed"),
            }
            match self.call(&task).await {
                Ok(()) => done(&self.core, &self.process, &task),
                Err(Some(error)) => self.failed(&task, error).await,
                Err(None) => Made::Again,
            }
        })
    }

    fn failed<'a>(&'a self, task: &'a Task, error: StepError) -> BoxFuture<'a, Made> {
        Box::pin(async move {
            self.metrics.error();
            let options = &self.part().options;
            self.core.failed(&self.process, options, GivingUp::SetsAside, task, &error).await
        })
    }
}

impl<T: Object, S: Status> HookWork<T, S> {
    fn part(&self) -> &HookPart<T, S> {
        &self.core.definition.hooks[self.part]
    }

    /// Whether an event that was sent again because the hook is owed has come too late: a slow hook has ended meanwhile.
    async fn is_done(&self, task: &Task) -> Result<bool, BackendError> {
        if task.event.header(header::RETRY_FOR).is_none() {
            return Ok(false);
        }
        let process = self.process.clone();
        let key = RetryKey { run_id: task.record.run_id, version: task.version(), process };
        Ok(self.core.hub.lookups.retry(&key).await?.is_none())
    }

    /// Calls the hook; `None` as the error when it was told to stop.
    async fn call(&self, task: &Task) -> Result<(), Option<StepError>> {
        if task.record.run_state == RunState::DataDeleted {
            // What the hook is about is gone; the run's data must not come back to life in it.
            return Ok(());
        }
        let begun = self.core.hub.clock.elapsed();
        let opened = self.core.open(&task.record, task.event.attempt(), Some(task.fence.clone()));
        let mut run = opened.map_err(|error| Some(terminal(error)))?;
        let options = &self.part().options;
        let span = attempt_span(self.process.as_str(), &task.record, task.event.attempt());
        let call = (run.id(), run.version());
        let limits = Limits::new(call, span, options, &self.core.hub.clock, &self.core.signals);
        let called = guarded((self.part().call)(&mut run), limits).await;
        self.metrics.took(self.core.hub.clock.elapsed().saturating_sub(begun));
        match called {
            Ok(result) => result.map_err(Some),
            Err(Stopped::Cancelled) => Err(None),
            Err(Stopped::TimedOut) => {
                let limit = options.attempt_timeout.unwrap_or_default();
                Err(Some(retryable(format!("the attempt took longer than {limit:?}"))))
            }
        }
    }
}

/// Nothing is owed any more.
fn done<T: Object, S: Status>(core: &Core<T, S>, process: &ProcessName, task: &Task) -> Made {
    let mut change = core.effects_at(task);
    // The run may have gone on since it was read; that does not undo the hook.
    change.expect = crate::adapter::Expect::Nothing;
    let key = RetryKey { run_id: task.record.run_id, version: task.version(), process: process.clone() };
    change.effects.push(Effect::DeleteRetry(key));
    Made::change(change)
}

/// The consumer that deletes a run's data.
pub(crate) struct DeleteWork<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
    pub(crate) metrics: Arc<ProcessMetrics>,
}

impl<T: Object, S: Status> Work for DeleteWork<T, S> {
    fn consumer(&self) -> Consumer {
        Consumer::Delete
    }

    fn work(self: Arc<Self>, task: Task) -> BoxFuture<'static, Made> {
        Box::pin(async move {
            match self.hook_is_owed(&task).await {
                Ok(true) => return self.later(&task),
                Ok(false) => {}
                Err(error) => return Made::later(&error, "what is owed"),
            }
            match self.scrubbed(&task) {
                Ok(object) => self.deletion(&task, object),
                Err(error) => self.failed(&task, error).await,
            }
        })
    }

    fn failed<'a>(&'a self, task: &'a Task, error: StepError) -> BoxFuture<'a, Made> {
        Box::pin(async move {
            self.metrics.error();
            let options = &self.core.definition.delete_options;
            let process = &self.core.plan.deletion_process;
            self.core.failed(process, options, GivingUp::SetsAside, task, &error).await
        })
    }
}

impl<T: Object, S: Status> DeleteWork<T, S> {
    /// Whether the hook on the run's end has not been called yet: it is to see the run before its data go.
    async fn hook_is_owed(&self, task: &Task) -> Result<bool, BackendError> {
        let Some(ended) = Version::new(task.version().get() - 1) else { return Ok(false) };
        for state in [RunState::Completed, RunState::Cancelled] {
            let Some(process) = self.core.plan.hook(state) else { continue };
            let key = RetryKey { run_id: task.record.run_id, version: ended, process: process.clone() };
            if self.core.hub.store.retry(&key).await?.is_some_and(|row| row.attempt == 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has the deletion's event sent again after a while.
    fn later(&self, task: &Task) -> Made {
        let process = self.core.plan.deletion_process.clone();
        let mut change = self.core.effects_at(task);
        change.effects.push(Effect::PutRetry(RetryUpdate {
            key: RetryKey { run_id: task.record.run_id, version: task.version(), process },
            attempt: task.event.attempt().saturating_sub(1),
            due: Some(Due::In(HOOK_WAIT)),
            last_error: "the hook on the run's end has not been called yet".into(),
            event: Arc::clone(&task.event),
        }));
        Made::change(change)
    }

    /// What is left of the object. One that cannot be read any more is deleted as a whole.
    fn scrubbed(&self, task: &Task) -> Result<Bytes, StepError> {
        let Some(delete) = &self.core.definition.delete else {
            return Ok(Bytes::from_static(Record::DELETED_OBJECT));
        };
        let Ok(mut object) = decode::<T>(&task.record) else {
            tracing::warn!(run_id = %task.record.run_id, "the object cannot be read and is deleted as a whole");
            return Ok(Bytes::from_static(Record::DELETED_OBJECT));
        };
        let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| delete(&mut object)));
        called.map_err(|panic| panicked(&*panic))?;
        self.core.encode(&object, || format!("run {}", task.record.run_id)).map_err(terminal)
    }

    fn deletion(&self, task: &Task, object: Bytes) -> Made {
        let transition = Transition { to: Move::Deleted, object: Some(object) };
        let stamp = Stamp {
            attempt: task.event.attempt(),
            fence: Some(task.fence.clone()),
            ..Stamp::outside(Actor::Engine)
        };
        match self.core.change(&task.record, transition, None, stamp) {
            Ok(mut change) => {
                change.effects.push(Effect::Scrub);
                Made::change(change)
            }
            Err(_) => Made::Again,
        }
    }
}
