//! What a consumer of a topic does with one event, once it has been judged.

use std::sync::Arc;

use crate::adapter::{BackendError, BoxFuture, Change, Fence};
use crate::{Consumer, Event, Record, StepError};

/// An event to work on, with the record that it was judged by.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) event: Arc<Event>,
    pub(crate) record: Arc<Record>,
    pub(crate) fence: Fence,
    /// Whether the event came straight from its commit in this process: then nothing else can be known of it.
    pub(crate) fresh: bool,
    /// Whether the event is older than this ownership of the role: whoever owned it before may have died of it.
    pub(crate) inherited: bool,
}

/// What has to be done after the work.
pub(crate) enum Made {
    /// Store this.
    Change(Box<Change>),
    /// Nothing: the event is dealt with.
    Nothing,
    /// Judge the event again, by the store.
    Again,
    /// The same after a while, however often: the store cannot be asked now, which says nothing about the run.
    Later,
}

impl Made {
    pub(crate) fn change(change: Change) -> Self {
        Made::Change(Box::new(change))
    }

    /// The store failed while the work needed it.
    pub(crate) fn later(error: &BackendError, what: &str) -> Self {
        tracing::warn!(error = %super::with_causes(error), what, "the store failed: the event is worked on later");
        Made::Later
    }
}

/// One kind of consumer.
pub(crate) trait Work: Send + Sync + 'static {
    /// By which rule events are judged.
    fn consumer(&self) -> Consumer;

    /// Works on an event. It is polled once where it is made, and moves to a task of its own if it has to wait.
    fn work(self: Arc<Self>, task: Task) -> BoxFuture<'static, Made>;

    /// What becomes of an event whose work failed.
    fn failed<'a>(&'a self, task: &'a Task, error: StepError) -> BoxFuture<'a, Made>;
}
