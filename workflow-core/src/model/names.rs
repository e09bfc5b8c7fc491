//! Names that users choose: workflows, business keys, timers, processes.

use std::fmt;
use std::sync::Arc;

/// The longest key that the tables hold, in bytes (`varchar(255)` with any charset).
const KEY_BYTES_MAX: usize = 255;

/// The longest workflow name, in bytes: topic and role names are made from it and have limits of their own.
const WORKFLOW_NAME_BYTES_MAX: usize = 100;

/// A name that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name:?} cannot be used: {reason}")]
pub struct InvalidName {
    /// What kind of name it is, as `foreign id`.
    pub what: &'static str,
    /// The name, shortened if it is very long.
    pub name: String,
    /// Why it cannot be used, and what would be accepted.
    pub reason: String,
}

fn check(what: &'static str, name: &str, bytes_max: usize) -> Result<(), InvalidName> {
    let reason = if name.is_empty() {
        "it is empty".to_owned()
    } else if name.len() > bytes_max {
        format!("it has {} bytes, {bytes_max} are allowed", name.len())
    } else if let Some(at) = name.find(char::is_control) {
        format!("it has a control character at byte {at}")
    } else {
        return Ok(());
    };
    Err(InvalidName { what, name: name.chars().take(40).collect(), reason })
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $bytes_max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and keeps a name.
            ///
            /// # Errors
            /// [`InvalidName`] if it is empty, too long or has control characters.
            pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidName> {
                let name = name.into();
                check($what, &name, $bytes_max)?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type! {
    /// The name of a workflow: at most 100 bytes, no control characters.
    ///
    /// ```
    /// use workflow_core::WorkflowName;
    /// assert!(WorkflowName::new("orders").is_ok());
    /// assert!(WorkflowName::new("").is_err());
    /// ```
    WorkflowName, "workflow name", WORKFLOW_NAME_BYTES_MAX
}

name_type! {
    /// The user's business key of a run: 1 to 255 bytes of any Unicode but control characters, compared byte by byte.
    ///
    /// ```
    /// use workflow_core::ForeignId;
    /// assert_ne!(ForeignId::new("order").unwrap(), ForeignId::new("Order").unwrap());
    /// assert!(ForeignId::new("x".repeat(256)).is_err());
    /// ```
    ForeignId, "foreign id", KEY_BYTES_MAX
}

name_type! {
    /// A key that makes a trigger idempotent: triggering again with it returns the run that it made, finished or not.
    StartKey, "start key", KEY_BYTES_MAX
}

name_type! {
    /// Tells the timers of one status apart; `timeout-1` for the first of a status by default.
    TimerName, "timer name", KEY_BYTES_MAX
}

name_type! {
    /// One consuming process of a workflow, whatever its shard: retries and attempts are counted by it. It is the
    /// name of the process's consumer group.
    ProcessName, "process name", KEY_BYTES_MAX
}
