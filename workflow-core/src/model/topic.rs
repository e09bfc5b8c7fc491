//! Topic names.

use std::fmt;
use std::sync::Arc;

use super::{Namespace, RunState, StatusCode, WorkflowName};

/// The longest topic name that Kafka takes, in bytes.
pub const TOPIC_LEN_MAX: usize = 249;

/// The name of a topic, shared with the Go library.
///
/// ```
/// use workflow_core::{StatusCode, Topic, WorkflowName};
/// let orders = WorkflowName::new("my orders").unwrap();
/// assert_eq!(Topic::of_status(&orders, StatusCode::new(2).unwrap()).as_str(), "my_orders-2");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// A topic named elsewhere, as in an event's header.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// `{workflow}-{status}`, with spaces turned into `_`.
    pub fn of_status(workflow: &WorkflowName, status: StatusCode) -> Self {
        Self::of(workflow, &status.to_string())
    }

    /// `{workflow}-delete`.
    pub fn of_deletions(workflow: &WorkflowName) -> Self {
        Self::of(workflow, "delete")
    }

    /// `{workflow}-run-state-change`.
    pub fn of_run_state_changes(workflow: &WorkflowName) -> Self {
        Self::of(workflow, "run-state-change")
    }

    /// The one topic that a stored record's event goes to.
    pub fn of_record(workflow: &WorkflowName, run_state: RunState, status: StatusCode) -> Self {
        match run_state {
            RunState::RequestedDataDeleted => Self::of_deletions(workflow),
            RunState::Paused | RunState::Cancelled | RunState::DataDeleted | RunState::Completed => {
                Self::of_run_state_changes(workflow)
            }
            RunState::Unknown | RunState::Initiated | RunState::Running => Self::of_status(workflow, status),
        }
    }

    fn of(workflow: &WorkflowName, suffix: &str) -> Self {
        Self(format!("{}-{suffix}", workflow.as_str().replace(' ', "_")).into())
    }

    /// The topic in a namespace.
    pub fn within(self, namespace: &Namespace) -> Self {
        Self(namespace.qualify(self.0))
    }

    /// Checks that Kafka would take the name.
    ///
    /// # Errors
    /// [`InvalidTopic`] if it is longer than [`TOPIC_LEN_MAX`] or has characters other than `[A-Za-z0-9._-]`.
    pub fn check(&self) -> Result<(), InvalidTopic> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.0.len() > TOPIC_LEN_MAX {
            return Err(InvalidTopic::TooLong { topic: self.clone(), len: self.0.len() });
        }
        match self.0.chars().find(|c| !legal(*c)) {
            Some(found) => Err(InvalidTopic::Character { topic: self.clone(), found }),
            None => Ok(()),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A topic name that Kafka would refuse.
///
/// ```
/// use workflow_core::{InvalidTopic, Topic};
/// assert!(matches!(Topic::new("a/b").check(), Err(InvalidTopic::Character { found: '/', .. })));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopic {
    /// The name is too long.
    #[error("topic {topic} has {len} bytes, {TOPIC_LEN_MAX} are allowed")]
    TooLong {
        /// The name.
        topic: Topic,
        /// Its length in bytes.
        len: usize,
    },
    /// The name has a character that topics cannot have.
    #[error("topic {topic} has the character {found:?}; letters, digits, `.`, `_` and `-` are allowed")]
    Character {
        /// The name.
        topic: Topic,
        /// The first offending character.
        found: char,
    },
}
