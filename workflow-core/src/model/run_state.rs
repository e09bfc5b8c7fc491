//! The system's lifecycle states of a run, and which moves between them are allowed.

use std::fmt;

/// The lifecycle state of a run; the numbers are shared with the Go library.
///
/// ```
/// use workflow_core::RunState;
/// assert_eq!(RunState::from_code(5)?, RunState::Completed);
/// assert_eq!((RunState::Completed.code(), RunState::Completed.name()), (5, "Completed"));
/// assert!(RunState::Completed.is_finished() && !RunState::Completed.is_stopped());
/// assert!(RunState::Paused.is_live() && RunState::Paused.can_move(RunState::Running));
/// assert_eq!(RunState::DataDeleted.role_part(), "datadeleted");
/// # Ok::<(), workflow_core::InvalidRunState>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum RunState {
    /// Never stored; what an absent or foreign value reads as.
    Unknown = 0,
    /// Triggered, and no step has stored anything yet.
    Initiated = 1,
    /// At least one transition is stored.
    Running = 2,
    /// Set aside by the engine, a step or an operator until it is resumed.
    Paused = 3,
    /// Ended early.
    Cancelled = 4,
    /// Reached a terminal status.
    Completed = 5,
    /// Its object was deleted or scrubbed.
    DataDeleted = 6,
    /// Its object is to be deleted.
    RequestedDataDeleted = 7,
}

impl RunState {
    /// Every run state, by number.
    pub const ALL: [RunState; 8] = [
        RunState::Unknown,
        RunState::Initiated,
        RunState::Running,
        RunState::Paused,
        RunState::Cancelled,
        RunState::Completed,
        RunState::DataDeleted,
        RunState::RequestedDataDeleted,
    ];

    /// The number in the tables and on the wire.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The state that has a number.
    ///
    /// # Errors
    /// [`InvalidRunState`] for a number that names none.
    pub fn from_code(code: i32) -> Result<Self, InvalidRunState> {
        usize::try_from(code).ok().and_then(|at| Self::ALL.get(at).copied()).ok_or(InvalidRunState { code })
    }

    /// The name, as `Completed`.
    pub const fn name(self) -> &'static str {
        match self {
            RunState::Unknown => "Unknown",
            RunState::Initiated => "Initiated",
            RunState::Running => "Running",
            RunState::Paused => "Paused",
            RunState::Cancelled => "Cancelled",
            RunState::Completed => "Completed",
            RunState::DataDeleted => "DataDeleted",
            RunState::RequestedDataDeleted => "RequestedDataDeleted",
        }
    }

    /// The name in role names, as `run-state-change` hooks use it: `completed`.
    pub fn role_part(self) -> String {
        self.name().to_lowercase()
    }

    /// Whether the run has ended: it never runs a step again, and its foreign id is free.
    pub const fn is_finished(self) -> bool {
        matches!(
            self,
            RunState::Cancelled
                | RunState::Completed
                | RunState::DataDeleted
                | RunState::RequestedDataDeleted
        )
    }

    /// Whether steps and timeouts must skip the run.
    pub const fn is_stopped(self) -> bool {
        matches!(
            self,
            RunState::Paused | RunState::Cancelled | RunState::DataDeleted | RunState::RequestedDataDeleted
        )
    }

    /// Whether the run occupies its foreign id: Initiated, Running or Paused.
    pub const fn is_live(self) -> bool {
        matches!(self, RunState::Initiated | RunState::Running | RunState::Paused)
    }

    /// Whether a run in this state may move to `to`. Staying Running is no move.
    pub const fn can_move(self, to: RunState) -> bool {
        use RunState::{Cancelled, Completed, DataDeleted, Initiated, Paused, RequestedDataDeleted, Running};
        matches!(
            (self, to),
            (Initiated, Running | Completed | Paused | Cancelled)
                | (Running, Completed | Paused | Cancelled)
                | (Paused, Running | Cancelled)
                | (Completed | Cancelled | DataDeleted, RequestedDataDeleted)
                | (RequestedDataDeleted, DataDeleted)
        )
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A number that names no run state.
///
/// ```
/// use workflow_core::RunState;
/// assert_eq!(RunState::from_code(8).unwrap_err().to_string(), "run state 8 is unknown: 0 to 7 are defined");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("run state {code} is unknown: 0 to 7 are defined")]
pub struct InvalidRunState {
    /// The number.
    pub code: i32,
}
