//! Old runs that have ended: counted, deleted, moved away, or shorn of their histories.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::{BackendError, ErrorKind};
use workflow_core::{RunState, Timestamp, WorkflowName, decode_outbox};

use super::{ArchiveTable, Maintenance};

/// How many entries of the index by age a transaction looks at, at most: some milliseconds of work.
pub(crate) const SCAN_ROWS: usize = 10_000;

/// How many runs a batch has if nothing else is said.
const BATCH_DEFAULT: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");

/// The states in which a run has ended and nothing more is to be done for it: the only ones that expire.
///
/// A run whose data is still to be deleted (RequestedDataDeleted) is not among them.
///
/// ```
/// use store_sql::maintenance::FinalState;
/// use workflow_core::RunState;
/// assert_eq!(FinalState::Completed.run_state().code(), 5);
/// assert_eq!(FinalState::of(RunState::Paused), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FinalState {
    /// It reached a terminal status.
    Completed,
    /// It ended early.
    Cancelled,
    /// Its object was deleted.
    DataDeleted,
}

impl FinalState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Completed, Self::Cancelled, Self::DataDeleted];

    /// As the tables have it.
    pub const fn run_state(self) -> RunState {
        match self {
            FinalState::Completed => RunState::Completed,
            FinalState::Cancelled => RunState::Cancelled,
            FinalState::DataDeleted => RunState::DataDeleted,
        }
    }

    /// The final state that a run state is, if it is one.
    pub fn of(state: RunState) -> Option<Self> {
        Self::ALL.into_iter().find(|this| this.run_state() == state)
    }
}

/// What is done with what has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Runs are deleted, with all that belongs to them.
    Delete,
    /// Runs and their histories are moved into tables of their own; all else that belongs to them is deleted.
    MoveInto(ArchiveTable),
    /// The histories of the runs are deleted, the runs stay.
    DeleteHistory,
}

/// Which runs expire, and what is done with them.
///
/// ```
/// use std::time::Duration;
/// use store_sql::maintenance::{Expiry, FinalState, What};
/// let expiry = Expiry {
///     states: vec![FinalState::Completed],
///     ..Expiry::new(What::Delete, Duration::from_secs(30 * 24 * 3600))
/// };
/// assert_eq!(expiry.workflow_name, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What is done.
    pub what: What,
    /// Only runs that were created and last stored longer ago than this.
    pub older_than: Duration,
    /// Only runs in these states; none are all of them.
    pub states: Vec<FinalState>,
    /// Only runs of this workflow.
    pub workflow_name: Option<WorkflowName>,
    /// How many rows one transaction deals with at most; more than 10,000 are not.
    pub batch: NonZeroUsize,
    /// Only counts, and changes nothing.
    pub dry_run: bool,
}

impl Expiry {
    /// Finished runs of all workflows that are older than so long.
    pub fn new(what: What, older_than: Duration) -> Self {
        let (states, workflow_name) = (Vec::new(), None);
        Self { what, older_than, states, workflow_name, batch: BATCH_DEFAULT, dry_run: false }
    }
}

/// What one transaction did.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The workflow.
    pub workflow_name: String,
    /// How many runs (of a history: rows) were dealt with, or would be.
    pub rows: u64,
    /// How many runs are old enough and were kept: they have an unsent event, a retry that will be due or a dead letter,
    /// or somebody holds them.
    pub kept: u64,
    /// How far the work has come within this workflow, from 0 to 1, by the age of the runs.
    pub progress: f64,
}

/// Work under way: ask for one batch after the other. Who stops asking leaves everything whole.
pub struct Expiring {
    maintenance: Maintenance,
    act: Act,
    states: [i32; 3],
    rows: usize,
    before: Timestamp,
    workflows: VecDeque<String>,
    after: Mark,
    oldest: Option<Timestamp>,
    unsent: Arc<HashSet<String>>,
}

impl Expiring {
    pub(super) async fn begin(maintenance: Maintenance, expiry: &Expiry) -> Result<Self, BackendError> {
        let before = maintenance.now().await?.before(expiry.older_than);
        let act = Act::of(expiry);
        if let Act::MoveRuns(table) = &act {
            if table.is_one_of(maintenance.names()) {
                let context = format!(
                    "archive into {table}: it, or {}, is one of the store's own tables",
                    table.history()
                );
                return Err(BackendError::new(ErrorKind::Permanent, context));
            }
            maintenance.make_archive(table).await?;
        }
        let workflows = match &expiry.workflow_name {
            Some(name) => VecDeque::from([name.as_str().to_owned()]),
            None => maintenance.workflows().await?.into(),
        };
        let unsent = match act {
            // A history may go while an event waits.
            Act::CountHistory | Act::DeleteHistory => HashSet::new(),
            Act::CountRuns | Act::DeleteRuns | Act::MoveRuns(_) => unsent(&maintenance, before).await?,
        };
        Ok(Self {
            maintenance,
            act,
            states: codes(&expiry.states),
            rows: expiry.batch.get().min(SCAN_ROWS),
            before,
            workflows,
            after: Mark::start(),
            oldest: None,
            unsent: Arc::new(unsent),
        })
    }

    /// The instant before which runs are old.
    pub fn before(&self) -> Timestamp {
        self.before
    }

    /// Does the next batch; `None` when all is done.
    ///
    /// # Errors
    /// If the database cannot be reached or refuses; the batches before stay done.
    pub async fn next_batch(&mut self) -> Result<Option<Batch>, BackendError> {
        let Some(workflow_name) = self.workflows.front().cloned() else { return Ok(None) };
        let slice = Slice {
            workflow: workflow_name.clone(),
            states: self.states,
            before: self.before,
            after: self.after.clone(),
            rows: self.rows,
            act: self.act.clone(),
            unsent: Arc::clone(&self.unsent),
        };
        let sliced = self.maintenance.expire_slice(slice).await?;
        let progress = match sliced.next {
            Some(next) => {
                self.after = next;
                self.progress()
            }
            None => {
                self.workflows.pop_front();
                (self.after, self.oldest) = (Mark::start(), None);
                1.0
            }
        };
        Ok(Some(Batch { workflow_name, rows: sliced.done, kept: sliced.kept, progress }))
    }

    /// How far the mark has come from the first one that was seen.
    fn progress(&mut self) -> f64 {
        let oldest = *self.oldest.get_or_insert(self.after.created_at);
        let whole = self.before.since(oldest).as_secs_f64();
        if whole > 0.0 { self.after.created_at.since(oldest).as_secs_f64() / whole } else { 0.0 }
    }
}

impl std::fmt::Debug for Expiring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expiring")
            .field("act", &self.act)
            .field("before", &self.before)
            .finish_non_exhaustive()
    }
}

/// The runs of rows whose run stands in their bytes alone, as the Go library writes them.
///
/// A run that is old was last stored before the instant, and a row is written with its run: so those that are there now
/// are all that there will be of old runs.
async fn unsent(maintenance: &Maintenance, before: Timestamp) -> Result<HashSet<String>, BackendError> {
    let (mut runs, mut after) = (HashSet::new(), String::new());
    loop {
        let page = maintenance.unrouted(&after, before).await?;
        for row in &page.rows {
            let event = decode_outbox(&row.data).map_err(|error| {
                let context = format!(
                    "row {} of the outbox cannot be read, so that nobody knows of which run it is: run an engine with the \
                     workflow {}, which sets it aside",
                    row.id, row.workflow_name
                );
                BackendError::with_source(ErrorKind::Corrupt, context, error)
            })?;
            runs.insert(event.run_id.to_string());
        }
        match page.rows.last() {
            Some(last) if page.more => after.clone_from(&last.id),
            _ => return Ok(runs),
        }
    }
}

/// Three codes, however many states were named; the last one may be there again.
fn codes(states: &[FinalState]) -> [i32; 3] {
    let named = |state: &FinalState| states.is_empty() || states.contains(state);
    let codes: Vec<i32> =
        FinalState::ALL.iter().filter(|state| named(state)).map(|state| state.run_state().code()).collect();
    std::array::from_fn(|at| codes[at.min(codes.len() - 1)])
}

/// What is done with a slice.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    CountRuns,
    DeleteRuns,
    MoveRuns(ArchiveTable),
    CountHistory,
    DeleteHistory,
}

impl Act {
    /// Whether nothing is written.
    #[cfg(feature = "sqlite")]
    pub(crate) fn only_counts(&self) -> bool {
        matches!(self, Act::CountRuns | Act::CountHistory)
    }

    fn of(expiry: &Expiry) -> Self {
        match (&expiry.what, expiry.dry_run) {
            (What::Delete | What::MoveInto(_), true) => Act::CountRuns,
            (What::Delete, false) => Act::DeleteRuns,
            (What::MoveInto(table), false) => Act::MoveRuns(table.clone()),
            (What::DeleteHistory, true) => Act::CountHistory,
            (What::DeleteHistory, false) => Act::DeleteHistory,
        }
    }
}

/// A place in the index by age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) created_at: Timestamp,
    pub(crate) run_id: String,
}

impl Mark {
    /// Before all runs.
    fn start() -> Self {
        Self::at(Timestamp::from_millis(i64::MIN))
    }

    /// Before all runs of an instant.
    pub(crate) fn at(created_at: Timestamp) -> Self {
        Self { created_at, run_id: String::new() }
    }
}

/// A run that has ended, as it was read.
#[cfg_attr(
    not(any(feature = "mysql", feature = "postgres")),
    allow(dead_code, reason = "only servers have others who write at the same time")
)]
#[derive(Clone, Debug)]
pub(crate) struct Old {
    pub(crate) mark: Mark,
    pub(crate) run_state: i32,
    pub(crate) updated_at: Timestamp,
}

/// A slice of the runs of a workflow, by age.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) workflow: String,
    pub(crate) states: [i32; 3],
    pub(crate) before: Timestamp,
    pub(crate) after: Mark,
    pub(crate) rows: usize,
    pub(crate) act: Act,
    pub(crate) unsent: Arc<HashSet<String>>,
}

/// What was done with it.
#[derive(Clone, Debug)]
pub(crate) struct Sliced {
    pub(crate) done: u64,
    pub(crate) kept: u64,
    pub(crate) next: Option<Mark>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_that_goes_on_is_final() {
        let live = RunState::ALL.into_iter().filter(|state| FinalState::of(*state).is_none());
        let codes: Vec<i32> = live.map(RunState::code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 7]);
    }

    #[test]
    fn any_number_of_states_becomes_three_codes() {
        assert_eq!(codes(&[]), [5, 4, 6]);
        assert_eq!(codes(&[FinalState::Cancelled]), [4, 4, 4]);
        assert_eq!(codes(&[FinalState::Cancelled; 5]), [4, 4, 4]);
        assert_eq!(codes(&[FinalState::DataDeleted, FinalState::Completed]), [5, 6, 6]);
    }
}
