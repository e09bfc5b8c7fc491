//! What an operator wants, and is told.

use std::sync::Arc;

use bytes::Bytes;

use crate::adapter::BackendError;
use crate::{ForeignId, ProcessName, Refusal, RunId, RunState, StartKey, StatusCode, WorkflowName};

/// Why an operator's wish was not carried out.
///
/// ```
/// use workflow_core::{OperatorError, RunId};
/// let run_id = RunId::generate();
/// assert_eq!(OperatorError::Missing { run_id }.to_string(), format!("there is no run {run_id}"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The store failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// There is no such run.
    #[error("there is no run {run_id}")]
    Missing {
        /// The run.
        run_id: RunId,
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
    /// The object is too large to store.
    #[error("the object has {bytes} bytes, {bytes_max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit of the store.
        bytes_max: usize,
    },
    /// Nothing is to be done for a run in this state.
    #[error("run {run_id} is {run_state}: nothing waits to be tried again")]
    NothingToRetry {
        /// The run.
        run_id: RunId,
        /// Its state.
        run_state: RunState,
    },
}

/// A run to start, of a workflow that only its workers know.
#[derive(Clone, Debug, PartialEq)]
pub struct UntypedStart {
    /// The workflow.
    pub workflow_name: WorkflowName,
    /// The business key.
    pub foreign_id: ForeignId,
    /// The status to start in. Nobody checks that the workflow has it.
    pub status: StatusCode,
    /// The status's name, as it is shown.
    pub status_name: Arc<str>,
    /// The object, as JSON. Nobody checks that it is one of the workflow's type.
    pub object: Bytes,
    /// The key that starts one run for ever.
    pub start_key: Option<StartKey>,
}

/// What became of an [`UntypedStart`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triggered {
    /// The run.
    pub run_id: RunId,
    /// Whether it was made now, and not by the same start key before.
    pub is_new: bool,
}

/// How a run is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// Its retries are due now, those of these processes.
    DueNow(Vec<ProcessName>),
    /// The event of its present version was sent again.
    SentAgain,
}
