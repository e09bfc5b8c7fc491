//! What one commit did to a run, kept for timelines, audits and re-runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{RunId, RunState, StatusCode, Timestamp, Version, WorkflowName};

/// Who made a change.
///
/// ```
/// use workflow_core::Actor;
/// assert_eq!(Actor::from_name("operator"), Actor::Operator);
/// assert_eq!(Actor::from_name("console").as_str(), "console");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The call that started the run.
    Trigger,
    /// A step function.
    Step,
    /// A callback.
    Callback,
    /// A timeout function.
    Timeout,
    /// The engine itself: a pause after too many errors, an automatic resume, a deletion.
    Engine,
    /// Somebody who called `pause`, `resume`, `cancel` or `delete_data`.
    Operator,
    /// A name that a newer program or another writer stored.
    Other(Arc<str>),
}

impl Actor {
    /// The name in the tables.
    pub fn as_str(&self) -> &str {
        match self {
            Actor::Trigger => "trigger",
            Actor::Step => "step",
            Actor::Callback => "callback",
            Actor::Timeout => "timeout",
            Actor::Engine => "engine",
            Actor::Operator => "operator",
            Actor::Other(name) => name,
        }
    }

    /// The actor that has a name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "trigger" => Actor::Trigger,
            "step" => Actor::Step,
            "callback" => Actor::Callback,
            "timeout" => Actor::Timeout,
            "engine" => Actor::Engine,
            "operator" => Actor::Operator,
            other => Actor::Other(other.into()),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One stored version of a run, as its history tells it.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
/// running.wait_for(&run).finished().await?;
/// let entries = running.history(&run).await?;
/// assert_eq!((entries[0].from_status, entries[0].actor.clone()), (None, Actor::Trigger));
/// assert_eq!((entries[1].to_status, entries[1].actor.clone()), (Declined.code(), Actor::Step));
/// # );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// The workflow of the run.
    pub workflow_name: WorkflowName,
    /// The run.
    pub run_id: RunId,
    /// The version that this commit stored.
    pub version: Version,
    /// The status before; `None` for the first version.
    pub from_status: Option<StatusCode>,
    /// The status after.
    pub to_status: StatusCode,
    /// The run state after.
    pub run_state: RunState,
    /// The reason given for a pause, cancel or deletion; otherwise empty.
    pub reason: Arc<str>,
    /// Who made the change.
    pub actor: Actor,
    /// Which attempt it was, from 1; 1 too where nothing is attempted, as by an operator.
    pub attempt: u32,
    /// How long the user's function ran.
    pub duration: Duration,
    /// When it was stored, by the store's clock; the store sets it.
    pub at: Timestamp,
    /// The object as stored, if snapshots are on.
    pub object: Option<Bytes>,
}
