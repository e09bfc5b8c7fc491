//! What a connector's function can do with the workflow.

use std::sync::Arc;

use bytes::Bytes;

use crate::adapter::BoxFuture;
use crate::{Error, RunId};

/// The workflow, as a connector's function sees it.
pub struct Api<T, S>(pub(crate) Arc<dyn ApiCalls<T, S>>);

impl<T, S> Clone for Api<T, S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What stands behind [`Api`].
pub(crate) trait ApiCalls<T, S>: Send + Sync {
    fn trigger<'a>(
        &'a self,
        foreign_id: &'a str,
        object: T,
        key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<RunId, Error>>;
    fn callback<'a>(
        &'a self,
        status: S,
        foreign_id: &'a str,
        payload: Bytes,
        key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<CallbackOutcome, Error>>;
    fn cancel<'a>(&'a self, run_id: RunId, reason: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}

/// What became of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackOutcome {
    /// The callback moved the run, or stored its object.
    Applied,
    /// The callback's function skipped.
    Skipped,
    /// The run is not in the callback's status yet; it is kept and applied when the run enters it.
    Buffered,
    /// The same key was used before: nothing was done.
    Duplicate,
    /// The latest run of the foreign id is in another status: nothing was done.
    WrongStatus {
        /// The name of the status that it is in.
        current: String,
    },
    /// The latest run is paused, or has ended: nothing was done.
    Stopped {
        /// The state that it is in.
        run_state: crate::RunState,
    },
    /// There is no run of the foreign id: nothing was done.
    NoRun,
}

impl CallbackOutcome {
    /// Whether the callback had its effect, now.
    pub fn is_applied(&self) -> bool {
        matches!(self, CallbackOutcome::Applied)
    }
}

impl<T, S> Api<T, S> {
    /// Starts a run with this object in the workflow's first status.
    ///
    /// # Errors
    /// [`Error::AlreadyInProgress`] if the foreign id has an unfinished run, and what the store says.
    pub async fn trigger(&self, foreign_id: &str, object: T) -> Result<RunId, Error> {
        self.0.trigger(foreign_id, object, None).await
    }

    /// Starts a run, unless one was started with this key before: then gives that run, finished or not.
    ///
    /// A connector sees an event again after a crash; with the event's id as the key, it starts one run.
    ///
    /// # Errors
    /// As [`Api::trigger`].
    pub async fn trigger_once(&self, key: &str, foreign_id: &str, object: T) -> Result<RunId, Error> {
        self.0.trigger(foreign_id, object, Some(key)).await
    }

    /// Calls back the latest run of a foreign id; `key` makes a repetition answer `Duplicate`.
    ///
    /// # Errors
    /// What the callback's function or the store says.
    pub async fn callback(
        &self,
        status: S,
        foreign_id: &str,
        payload: impl Into<Bytes>,
        key: Option<&str>,
    ) -> Result<CallbackOutcome, Error> {
        self.0.callback(status, foreign_id, payload.into(), key).await
    }

    /// Ends a run early.
    ///
    /// # Errors
    /// [`Error::Refused`] if it has ended already, and what the store says.
    pub async fn cancel(&self, run_id: RunId, reason: &str) -> Result<(), Error> {
        self.0.cancel(run_id, reason).await
    }
}
