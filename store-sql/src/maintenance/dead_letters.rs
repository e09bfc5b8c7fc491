//! Dead letters: listed, put back, thrown away.

use std::sync::Arc;

use workflow_core::adapter::DeadLetter;
use workflow_core::{EventId, RunId, Timestamp, WorkflowName};

/// How many dead letters a page has if nothing else is said.
const LIMIT_DEFAULT: usize = 25;

/// Which dead letters to list, oldest first. Empty filters take everything.
///
/// ```
/// use store_sql::maintenance::LetterQuery;
/// let query = LetterQuery { limit: 100, ..LetterQuery::default() };
/// assert_eq!(query.after, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterQuery {
    /// Only of this workflow.
    pub workflow_name: Option<WorkflowName>,
    /// Only of this run.
    pub run_id: Option<RunId>,
    /// Only what comes after this one.
    pub after: Option<LetterCursor>,
    /// How many at most.
    pub limit: usize,
}

impl Default for LetterQuery {
    fn default() -> Self {
        Self { workflow_name: None, run_id: None, after: None, limit: LIMIT_DEFAULT }
    }
}

/// A place in the order of dead letters: by when they were set aside, then by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterCursor {
    /// When it was set aside.
    pub created_at: Timestamp,
    /// Its id.
    pub id: Arc<str>,
}

/// A page of dead letters.
#[derive(Clone, Debug, Default)]
pub struct LetterPage {
    /// The dead letters.
    pub letters: Vec<DeadLetter>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<LetterCursor>,
}

impl LetterPage {
    /// The page of rows of which one more than the limit was asked for.
    pub(super) fn of(mut letters: Vec<DeadLetter>, limit: usize) -> Self {
        let more = letters.len() > limit;
        letters.truncate(limit);
        let cursor =
            |letter: &DeadLetter| LetterCursor { created_at: letter.created_at, id: Arc::clone(&letter.id) };
        let next = letters.last().filter(|_| more).map(cursor);
        Self { letters, next }
    }
}

/// What became of a dead letter that was to be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requeued {
    /// Its event is in the outbox again.
    Done {
        /// The new row.
        row: EventId,
        /// The run that the event is about.
        run_id: RunId,
    },
    /// There is no such dead letter: it was put back or thrown away before.
    Missing,
    /// Its bytes are no event, so no engine could take it up: it is left where it is.
    NoEvent {
        /// What is wrong with them.
        reason: String,
    },
}

/// What became of a dead letter that was to be thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// It is gone.
    Done,
    /// There is no such dead letter.
    Missing,
}
