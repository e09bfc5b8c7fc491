//! What can be asked for in lists.

use std::sync::Arc;

use super::BackendError;
use crate::{ForeignId, Record, RunId, RunState, StatusCode, Timestamp, Version, WorkflowName};

/// How many runs a list gives when the caller does not say.
const LIMIT_DEFAULT: usize = 25;

/// A place in the total order of runs: (created_at, run_id).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When the run was created.
    pub created_at: Timestamp,
    /// The run.
    pub run_id: RunId,
}

/// Which part of a list to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Skip so many; slow when they are many.
    Offset(u64),
    /// What comes after a run, in the list's order; as fast on the last page as on the first.
    After(Cursor),
}

/// A list of runs: filters, order and page. Empty filters take everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Only of this workflow.
    pub workflow_name: Option<WorkflowName>,
    /// Only of these business keys.
    pub foreign_ids: Vec<ForeignId>,
    /// Only in these statuses.
    pub statuses: Vec<StatusCode>,
    /// Only in these run states.
    pub run_states: Vec<RunState>,
    /// Only created at or after this instant.
    pub created_from: Option<Timestamp>,
    /// Only created before this instant.
    pub created_before: Option<Timestamp>,
    /// Newest first, instead of oldest first.
    pub newest_first: bool,
    /// Which part.
    pub page: Page,
    /// How many at most.
    pub limit: usize,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            workflow_name: None,
            foreign_ids: Vec::new(),
            statuses: Vec::new(),
            run_states: Vec::new(),
            created_from: None,
            created_before: None,
            newest_first: false,
            page: Page::Offset(0),
            limit: LIMIT_DEFAULT,
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// The runs.
    pub records: Vec<Arc<Record>>,
    /// Why runs of this page cannot be read.
    pub unreadable: Vec<BackendError>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

/// A slice of the live runs of a workflow: those of it that nothing drives.
#[derive(Clone, Debug, Default)]
pub struct DriverlessSlice {
    /// The runs that nothing drives.
    pub records: Vec<Arc<Record>>,
    /// The last run that was looked at, where the next slice begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// A part of a run's history, by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The run.
    pub run_id: RunId,
    /// Only versions after this one.
    pub after: Option<Version>,
    /// How many at most.
    pub limit: usize,
}
