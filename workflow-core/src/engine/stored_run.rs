//! A run as it is stored, for those who look at it from outside.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::core::{Object, decode};
use crate::adapter::Cursor;
use crate::{Error, ForeignId, Record, RunId, RunState, Timestamp, Version};

/// A run as it was stored when it was looked at.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let id = running.trigger("order-17", Order { cents: 50_000 }).await?;
/// let run = running.wait_for(&id).finished().await?;
/// assert_eq!((run.id(), run.foreign_id().as_str()), (id, "order-17"));
/// assert_eq!((run.status(), run.run_state(), run.version().get()), (Declined, RunState::Completed, 2));
/// assert_eq!((run.reason(), run.object()?.cents), ("", 50_000));
/// assert!(run.created_at() <= run.updated_at());
/// assert_eq!(run.record().status_description.as_ref(), "Declined");
/// # );
/// ```
pub struct StoredRun<T, S> {
    record: Arc<Record>,
    status: S,
    object: PhantomData<fn() -> T>,
}

impl<T: Object, S: Copy> StoredRun<T, S> {
    pub(crate) fn new(record: Arc<Record>, status: S) -> Self {
        Self { record, status, object: PhantomData }
    }

    /// The run's id.
    pub fn id(&self) -> RunId {
        self.record.run_id
    }

    /// The business key.
    pub fn foreign_id(&self) -> &ForeignId {
        &self.record.foreign_id
    }

    /// The status that it is in.
    pub fn status(&self) -> S {
        self.status
    }

    /// The state that it is in.
    pub fn run_state(&self) -> RunState {
        self.record.run_state
    }

    /// Why it is paused, cancelled or deleted; else empty.
    pub fn reason(&self) -> &str {
        &self.record.run_state_reason
    }

    /// How often it has been stored.
    pub fn version(&self) -> Version {
        self.record.version
    }

    /// When it was triggered.
    pub fn created_at(&self) -> Timestamp {
        self.record.created_at
    }

    /// When it was last stored.
    pub fn updated_at(&self) -> Timestamp {
        self.record.updated_at
    }

    /// The object.
    ///
    /// # Errors
    /// [`Error::Deleted`] if it was deleted as a whole, [`Error::Decode`] if it is not one of the workflow's type.
    pub fn object(&self) -> Result<T, Error> {
        if self.record.is_object_deleted() {
            return Err(Error::Deleted { run_id: self.record.run_id });
        }
        decode(&self.record)
    }

    /// The run as it is stored, untyped.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }
}

impl<T, S: Clone> Clone for StoredRun<T, S> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record), status: self.status.clone(), object: PhantomData }
    }
}

impl<T, S> fmt::Debug for StoredRun<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRun")
            .field("id", &self.record.run_id)
            .field("foreign_id", &self.record.foreign_id)
            .field("status", &self.record.status_description)
            .field("run_state", &self.record.run_state)
            .field("version", &self.record.version)
            .finish_non_exhaustive()
    }
}

/// A page of runs.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// running.trigger("order-17", Order { cents: 4_200 }).await?;
/// let page = running.list(adapter::ListQuery::default()).await?;
/// assert_eq!((page.runs.len(), page.unreadable.len(), page.next), (1, 0, None));
/// # );
/// ```
#[derive(Debug)]
pub struct RunPage<T, S> {
    /// The runs.
    pub runs: Vec<StoredRun<T, S>>,
    /// Why runs of this page cannot be given: their status is none of the workflow's.
    pub unreadable: Vec<Error>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}
