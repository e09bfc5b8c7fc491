//! What can be wrong with a definition.

use std::fmt;

use super::InvalidCron;
use crate::{InvalidName, InvalidTopic};

/// One thing that is wrong with a definition: what, where, and what to do.
///
/// ```
/// # use workflow_shop::*;
/// let orders = Workflow::builder("orders").callback(Placed, scanned, [Paid, Declined]).build();
/// assert_eq!(orders.unwrap_err().problems, [Problem::Unreachable { status: "Shipped", start: "Placed" }]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The workflow, a timer, a connector or a schedule has a name that cannot be used.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// There is nothing to start with.
    #[error("it has no step, callback or timeout: add the one that takes a new run")]
    Empty,
    /// Two statuses have one number.
    #[error("statuses {first} and {second} have the same number {code}: give each its own")]
    SameNumber {
        /// One status.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Their number.
        code: i32,
    },
    /// A status has a number that is reserved.
    #[error("status {status} has the number {code}, which is reserved: use 1 or greater")]
    Reserved {
        /// The status.
        status: &'static str,
        /// Its number.
        code: i32,
    },
    /// A part names a status that is not in the enum's list.
    #[error("{part} names status {status}, which `Status::ALL` does not list")]
    UnknownStatus {
        /// The part.
        part: String,
        /// The status.
        status: &'static str,
    },
    /// Two steps take runs of one status.
    #[error("status {status} has two steps: a status has one")]
    DuplicateStep {
        /// The status.
        status: &'static str,
    },
    /// Two hooks on one run state.
    #[error("there are two hooks on {run_state}: one is allowed")]
    DuplicateHook {
        /// The run state.
        run_state: &'static str,
    },
    /// Two parts of a kind have one name.
    #[error("there are two {kind} called {name:?}: give each its own name")]
    DuplicateName {
        /// What kind.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Nothing leaves the status in which runs start.
    #[error("runs start at {status}, but no step, callback or timeout leaves it")]
    StartIsTerminal {
        /// The status.
        status: &'static str,
    },
    /// Every status that is used has something that leaves it.
    #[error("it has no terminal status: a run could never complete")]
    NoTerminalStatus,
    /// No way leads from the start to a status.
    #[error("status {status} cannot be reached from {start}: add a way to it, or remove it")]
    Unreachable {
        /// The status.
        status: &'static str,
        /// The start.
        start: &'static str,
    },
    /// A part leads nowhere.
    #[error("{part} leads to no status: name at least one")]
    NoDestination {
        /// The part.
        part: String,
    },
    /// A part names a destination twice.
    #[error("{part} names the destination {status} twice")]
    DuplicateDestination {
        /// The part.
        part: String,
        /// The status.
        status: &'static str,
    },
    /// An option has a value that makes no sense.
    #[error("{part}: {option} is {value}: {advice}")]
    Option {
        /// The part.
        part: String,
        /// The option's method.
        option: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        advice: &'static str,
    },
    /// An option is for other kinds of parts.
    #[error("{part}: {option} is not for {kind}: remove it")]
    NotForThis {
        /// The part.
        part: String,
        /// The option's method.
        option: &'static str,
        /// What kind of part it is.
        kind: &'static str,
    },
    /// A modifier has no part before it to which it belongs.
    #[error(".{modifier}(..) must follow {follows}")]
    Misplaced {
        /// The builder's method.
        modifier: &'static str,
        /// What it must follow.
        follows: &'static str,
    },
    /// A topic's name cannot be used.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// A role's name does not fit its column.
    #[error("role {role:?} has {bytes} bytes, {bytes_max} are allowed: shorten the names that it is made of")]
    RoleTooLong {
        /// The role.
        role: String,
        /// Its length.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// A schedule's spec cannot be read.
    #[error(transparent)]
    Cron(#[from] InvalidCron),
}

/// Everything that is wrong with a definition.
///
/// ```
/// # use workflow_shop::*;
/// let problems = Workflow::builder("").step(Placed, pay, [Paid, Paid, Declined, Shipped]).build().unwrap_err();
/// assert_eq!(
///     problems.to_string(),
///     "workflow \"\" cannot be built
///   - workflow name \"\" cannot be used: it is empty
///   - the step of Placed names the destination Paid twice"
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DefinitionErrors {
    /// The workflow's name, as it was given.
    pub workflow: String,
    /// What is wrong with it; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for DefinitionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "workflow {:?} cannot be built", self.workflow)?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

/// As `Display`, for those who return it from `main` or unwrap it.
impl fmt::Debug for DefinitionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DefinitionErrors {}
