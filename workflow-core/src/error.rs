//! What a call of the engine can fail with.

use std::sync::Arc;

use crate::adapter::BackendError;
use crate::{ForeignId, InvalidName, Refusal, RunId, StatusCode, WorkflowName};

/// An error of a call to a workflow. Each names what it is about; [`Error::is_retryable`] tells whether to try again.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let refused = running.trigger("", Order { cents: 4_200 }).await.unwrap_err();
/// assert!(matches!(refused, Error::Name(_)) && !refused.is_retryable());
/// assert_eq!(refused.to_string(), "foreign id \"\" cannot be used: it is empty");
/// # );
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store, streamer or scheduler failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A foreign id, start key or callback key cannot be used.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The foreign id has an unfinished run.
    #[error("workflow {workflow} has an unfinished run of {foreign_id:?}: {run_id}")]
    AlreadyInProgress {
        /// The workflow.
        workflow: WorkflowName,
        /// The business key.
        foreign_id: ForeignId,
        /// The unfinished run.
        run_id: RunId,
    },
    /// There is no such run.
    #[error("workflow {workflow} has no run {run}")]
    NotFound {
        /// The workflow.
        workflow: WorkflowName,
        /// The run or business key that was asked for.
        run: String,
    },
    /// The run is of another workflow.
    #[error("run {run_id} is of workflow {found}, not {expected}")]
    WrongWorkflow {
        /// The run.
        run_id: RunId,
        /// The workflow that was asked.
        expected: WorkflowName,
        /// The workflow that it is of.
        found: WorkflowName,
    },
    /// The run's state does not allow the move.
    #[error("run {run_id}: {refusal}")]
    Refused {
        /// The run.
        run_id: RunId,
        /// The two states.
        refusal: Refusal,
    },
    /// Others stored the run again and again meanwhile.
    #[error("run {run_id} was changed by others {attempts} times while it was to be stored: try again")]
    Contended {
        /// The run.
        run_id: RunId,
        /// How often it was tried.
        attempts: u32,
    },
    /// The object is too large to store.
    #[error("the object of {what} has {bytes} bytes as JSON, {bytes_max} are allowed")]
    TooLarge {
        /// Which run or business key.
        what: String,
        /// Its size.
        bytes: usize,
        /// The limit of the store.
        bytes_max: usize,
    },
    /// The object cannot be written as JSON.
    #[error("the object of {what} cannot be written as JSON")]
    Encode {
        /// Which run or business key.
        what: String,
        /// What serde says.
        #[source]
        source: serde_json::Error,
    },
    /// The stored object is not one of this workflow's type.
    #[error("the object of run {run_id}, version {version}, cannot be read as this workflow's type")]
    Decode {
        /// The run.
        run_id: RunId,
        /// The version.
        version: u64,
        /// What serde says.
        #[source]
        source: serde_json::Error,
    },
    /// The object was deleted.
    #[error("the object of run {run_id} was deleted")]
    Deleted {
        /// The run.
        run_id: RunId,
    },
    /// The stored status is none of this workflow's.
    #[error("run {run_id} is in status {status}, which workflow {workflow} does not have")]
    UnknownStatus {
        /// The run.
        run_id: RunId,
        /// The number.
        status: StatusCode,
        /// The workflow.
        workflow: WorkflowName,
    },
    /// A step, callback or timeout returned a status that it did not declare.
    #[error("{from} does not lead to {to}: declare it as a destination")]
    Undeclared {
        /// The status that the run is in.
        from: &'static str,
        /// The status that was returned.
        to: &'static str,
    },
    /// The workflow has no status to start runs in, or not this one.
    #[error("runs of workflow {workflow} cannot start at {status}: no step, callback or timeout leaves it")]
    NoStart {
        /// The workflow.
        workflow: WorkflowName,
        /// The status's name.
        status: &'static str,
    },
    /// The user's function failed where there is no run to retry it for.
    #[error("{what} failed: {reason}")]
    Function {
        /// Which function.
        what: String,
        /// The user's error.
        reason: Arc<str>,
    },
    /// The user's work on the database failed; the transition was not stored.
    #[error("the work attached to run {run_id} failed: {reason}")]
    Attached {
        /// The run.
        run_id: RunId,
        /// Why.
        reason: Arc<str>,
    },
    /// A schedule's spec cannot be read.
    #[error(transparent)]
    Cron(#[from] crate::definition::InvalidCron),
    /// The workflow cannot be run on this backend.
    #[error("workflow {workflow} cannot be run: {reason}")]
    CannotRun {
        /// The workflow.
        workflow: WorkflowName,
        /// Why, and what to change.
        reason: String,
    },
    /// A callback, pause or the like came while it shut down.
    #[error("the engine is shutting down")]
    ShuttingDown,
}

impl Error {
    /// Whether the same call may work later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Backend(error) => error.is_retryable(),
            Error::Contended { .. } | Error::Attached { .. } => true,
            _ => false,
        }
    }
}
