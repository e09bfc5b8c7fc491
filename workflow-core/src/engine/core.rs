//! What all processes and calls of one workflow on one backend share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::attempt::panic_text;
use super::hub::Hub;
use super::metrics::Metrics;
use super::plan::Plan;
use crate::adapter::{Backend, BackendError, ErrorKind, Fence};
use crate::definition::Definition;
use crate::run::{CallContext, CancelSignals};
use crate::{Error, Record, Run, RunId, Status};

/// A user's object: what can be stored, read back, and handed from thread to thread.
///
/// ```
/// fn is_object<T: workflow_core::Object>(_: T) -> bool {
///     true
/// }
/// assert!(is_object(vec![("milk".to_owned(), 180)]));
/// ```
pub trait Object: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Object for T {}

pub(crate) struct Core<T, S> {
    pub(crate) definition: Arc<Definition<T, S>>,
    pub(crate) plan: Plan,
    pub(crate) backend: Backend,
    pub(crate) hub: Arc<Hub>,
    pub(crate) signals: Arc<CancelSignals>,
    pub(crate) metrics: Metrics,
}

impl<T: Object, S: Status> Core<T, S> {
    pub(crate) fn new(definition: Arc<Definition<T, S>>, backend: Backend) -> Arc<Self> {
        Arc::new(Self {
            plan: Plan::new(&definition),
            definition,
            hub: Hub::of(&backend),
            backend,
            signals: Arc::default(),
            metrics: Metrics::default(),
        })
    }

    /// The typed form of a record, for a user's function.
    pub(crate) fn open(
        &self,
        record: &Arc<Record>,
        attempt: u32,
        fence: Option<Fence>,
    ) -> Result<Run<T, S>, Error> {
        let status = self.status_of(record)?;
        let object = decode(record)?;
        let call = CallContext { attempt, fence, signals: Arc::clone(&self.signals) };
        Ok(Run::new(object, status, Arc::clone(record), call))
    }

    /// The status of a record as the user's enum.
    pub(crate) fn status_of(&self, record: &Record) -> Result<S, Error> {
        S::from_code(record.status).ok_or_else(|| Error::UnknownStatus {
            run_id: record.run_id,
            status: record.status,
            workflow: self.definition.name.clone(),
        })
    }

    /// An object as it is stored.
    pub(crate) fn encode(&self, object: &T, what: impl Fn() -> String) -> Result<Bytes, Error> {
        // The user's own code may panic in it, which must not take a process down.
        let written = catch_unwind(AssertUnwindSafe(|| serde_json::to_vec(object)));
        let written = written.unwrap_or_else(|panic| Err(serde::ser::Error::custom(panic_text(&*panic))));
        let bytes = written.map_err(|source| Error::Encode { what: what(), source })?;
        let bytes_max = self.hub.store.limits().object_bytes_max;
        if bytes.len() > bytes_max {
            return Err(Error::TooLarge { what: what(), bytes: bytes.len(), bytes_max });
        }
        Ok(Bytes::from(bytes))
    }

    /// A run of this workflow, as it is stored now.
    pub(crate) async fn lookup(&self, run_id: RunId) -> Result<Arc<Record>, Error> {
        let not_found =
            || Error::NotFound { workflow: self.definition.name.clone(), run: run_id.to_string() };
        let record = self.hub.lookups.get(run_id).await?.ok_or_else(not_found)?;
        self.of_this_workflow(&record)?;
        Ok(record)
    }

    /// Refuses a run of another workflow.
    pub(crate) fn of_this_workflow(&self, record: &Record) -> Result<(), Error> {
        if record.workflow_name == self.definition.name {
            return Ok(());
        }
        Err(Error::WrongWorkflow {
            run_id: record.run_id,
            expected: self.definition.name.clone(),
            found: record.workflow_name.clone(),
        })
    }
}

/// The object of a record.
pub(crate) fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, Error> {
    let read = catch_unwind(AssertUnwindSafe(|| serde_json::from_slice(&record.object)));
    let read = read.unwrap_or_else(|panic| Err(serde::de::Error::custom(panic_text(&*panic))));
    read.map_err(|source| Error::Decode { run_id: record.run_id, version: record.version.get(), source })
}

/// An answer of a store that does not fit the question.
pub(crate) fn unexpected(outcome: &crate::adapter::Outcome) -> BackendError {
    BackendError::new(ErrorKind::Corrupt, format!("the store answered {outcome:?} where that cannot be"))
}
