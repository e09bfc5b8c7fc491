//! The persisted, untyped form of a run.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{EventId, ForeignId, RunId, RunState, StartKey, StatusCode, Timestamp, Version, WorkflowName};

/// Who paused a run: an automatic retry resumes only what the engine paused.
///
/// ```
/// use workflow_core::PausedBy;
/// assert_eq!(PausedBy::from_name("operator"), Some(PausedBy::Operator));
/// assert_eq!(PausedBy::from_name(PausedBy::Engine.as_str()), Some(PausedBy::Engine));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PausedBy {
    /// The engine, after too many errors or a terminal one.
    Engine,
    /// The step itself, by returning a pause.
    Step,
    /// Somebody who called `pause`.
    Operator,
}

impl PausedBy {
    /// The name in the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            PausedBy::Engine => "engine",
            PausedBy::Step => "step",
            PausedBy::Operator => "operator",
        }
    }

    /// The one that has a name; `None` for an unknown name, which reads like the Go library's NULL.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "engine" => Some(PausedBy::Engine),
            "step" => Some(PausedBy::Step),
            "operator" => Some(PausedBy::Operator),
            _ => None,
        }
    }
}

/// A run as it is stored. The object is JSON that only the workflow's own type can read.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// let record = running.get(&run).await?.record().clone();
/// assert_eq!((record.run_state, record.status), (RunState::Initiated, Paid.code()));
/// assert_eq!(record.object.as_ref(), br#"{"cents":4200}"#);
/// assert_eq!(record.meta().status_description, "Paid");
/// # );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The workflow of the run.
    pub workflow_name: WorkflowName,
    /// The user's business key.
    pub foreign_id: ForeignId,
    /// The run.
    pub run_id: RunId,
    /// The lifecycle state.
    pub run_state: RunState,
    /// The user's state.
    pub status: StatusCode,
    /// The user's object as JSON.
    pub object: Bytes,
    /// When the run was triggered, by the store's clock; the store sets it.
    pub created_at: Timestamp,
    /// When this version was stored, by the store's clock; the store sets it.
    pub updated_at: Timestamp,
    /// How often the run has been stored.
    pub version: Version,
    /// Why the run is in its state, if somebody said.
    pub run_state_reason: Arc<str>,
    /// The status's name.
    pub status_description: Arc<str>,
    /// Where the run was triggered from.
    pub trace_origin: Arc<str>,
    /// Where in the run's trace this version was made, as the W3C's `traceparent`; `None` if nobody looks at spans. What is
    /// done without an event, as by a timer, goes on with it.
    pub traceparent: Option<Arc<str>>,
    /// The id of the event of this version; `None` if the Go library stored it.
    pub last_event_id: Option<EventId>,
    /// Who paused it, while it is paused.
    pub paused_by: Option<PausedBy>,
    /// The key that it was triggered with.
    pub start_key: Option<StartKey>,
}

impl Record {
    /// What is left of an object that was deleted as a whole; shared with the Go library.
    pub const DELETED_OBJECT: &'static [u8] = br#"{"result":"deleted"}"#;

    /// Whether the object was deleted as a whole.
    pub fn is_object_deleted(&self) -> bool {
        self.run_state == RunState::DataDeleted && self.object == Self::DELETED_OBJECT
    }

    /// The part of the record that the `meta` column holds.
    pub fn meta(&self) -> Meta<'_> {
        Meta {
            run_state_reason: self.run_state_reason.as_ref().into(),
            status_description: self.status_description.as_ref().into(),
            version: self.version.get(),
            trace_origin: self.trace_origin.as_ref().into(),
            traceparent: self.traceparent.as_deref().map(Into::into),
        }
    }
}

/// The `meta` column: a JSON object with these keys, shared with the Go library, which passes the last one over.
///
/// ```
/// use workflow_core::Meta;
/// let meta = Meta { version: 3, ..Meta::default() };
/// assert_eq!(Meta::decode(Some(&meta.encode()))?, meta);
/// assert_eq!(Meta::decode(None)?, Meta::default());
/// # Ok::<(), workflow_core::InvalidMeta>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Meta<'a> {
    /// `RunStateReason`
    pub run_state_reason: std::borrow::Cow<'a, str>,
    /// `StatusDescription`
    pub status_description: std::borrow::Cow<'a, str>,
    /// `Version`
    pub version: u64,
    /// `TraceOrigin`
    pub trace_origin: std::borrow::Cow<'a, str>,
    /// `Traceparent`, of runs that are traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<std::borrow::Cow<'a, str>>,
}

impl Meta<'_> {
    /// The column's bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a map of strings and a number is always JSON")
    }

    /// Reads the column; NULL and empty read as all defaults.
    ///
    /// # Errors
    /// [`InvalidMeta`] if it is anything but such a JSON object.
    pub fn decode(column: Option<&[u8]>) -> Result<Meta<'static>, InvalidMeta> {
        match column {
            None | Some([]) => Ok(Meta::default()),
            // A struct would be read from an array too, field by field.
            Some(bytes) if !bytes.trim_ascii_start().starts_with(b"{") => {
                Err(InvalidMeta { source: serde::de::Error::custom("it is not an object") })
            }
            Some(bytes) => {
                serde_json::from_slice::<Meta<'static>>(bytes).map_err(|source| InvalidMeta { source })
            }
        }
    }
}

/// A `meta` column that cannot be read.
///
/// ```
/// use workflow_core::Meta;
/// assert!(Meta::decode(Some(b"[]")).unwrap_err().to_string().starts_with("column meta is not"));
/// ```
#[derive(Debug, thiserror::Error)]
#[error("column meta is not the JSON object that a run's meta is")]
pub struct InvalidMeta {
    /// What the JSON reader says.
    #[source]
    pub source: serde_json::Error,
}
