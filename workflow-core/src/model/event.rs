//! The notification that a run reached a version.

use std::sync::Arc;

use super::{EventId, ForeignId, Record, RunId, RunState, StatusCode, Topic, Version, WorkflowName};

/// Names of headers that this engine reads and writes.
pub mod header {
    /// The workflow's name.
    pub const WORKFLOW_NAME: &str = "workflow_name";
    /// The run's business key.
    pub const FOREIGN_ID: &str = "foreign_id";
    /// The topic that the event is for.
    pub const TOPIC: &str = "topic";
    /// The run.
    pub const RUN_ID: &str = "run_id";
    /// The run state, in decimal.
    pub const RUN_STATE: &str = "run_state";
    /// The record's version, in decimal.
    pub const RECORD_VERSION: &str = "record_version";
    /// What a connector's source gave.
    pub const CONNECTOR_DATA: &str = "connector_data";
    /// The id of the outbox row that was written with the version.
    pub const EVENT_ID: &str = "event_id";
    /// Which attempt a re-emission is for, in decimal; absent on the first.
    pub const ATTEMPT: &str = "attempt";
    /// The only process that a re-emission is for; absent when it is for all.
    pub const RETRY_FOR: &str = "retry_for";
    /// `1` if the commit wrote every timer of the status that was entered.
    pub const TIMERS_SET: &str = "timers_set";
    /// W3C trace context: the trace and span in which the version was made.
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C trace context: what vendors add to it.
    pub const TRACESTATE: &str = "tracestate";
}

/// Headers beyond the event's own fields, passed through as they are.
pub type Headers = Vec<(Arc<str>, Arc<str>)>;

/// "Run R reached this status and run state at version V". It never carries the object.
///
/// ```
/// use workflow_core::{Event, decode_outbox, encode_outbox};
/// # use workflow_core::*;
/// # let orders = WorkflowName::new("orders")?;
/// # let status = StatusCode::new(1)?;
/// let mut event = Event {
///     event_id: Some(EventId::after(None)),
///     topic: Topic::of_status(&orders, status),
///     workflow_name: orders,
///     foreign_id: ForeignId::new("order-17")?,
///     run_id: RunId::generate(),
///     status,
///     run_state: RunState::Initiated,
///     version: Some(Version::FIRST),
///     headers: Headers::new(),
/// };
/// event.set_header(header::ATTEMPT, "2");
/// assert_eq!((event.header(header::ATTEMPT), event.attempt()), (Some("2"), 2));
/// assert_eq!(decode_outbox(&encode_outbox(&event))?, event);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The outbox id written with the version; `None` on events of the Go library.
    pub event_id: Option<EventId>,
    /// The workflow of the run.
    pub workflow_name: WorkflowName,
    /// The run's business key.
    pub foreign_id: ForeignId,
    /// The run.
    pub run_id: RunId,
    /// The run's status.
    pub status: StatusCode,
    /// The run's state.
    pub run_state: RunState,
    /// The record's version; `None` if the header is missing.
    pub version: Option<Version>,
    /// The topic it is for.
    pub topic: Topic,
    /// Further headers.
    pub headers: Headers,
}

impl Event {
    /// The event that storing `record` emits.
    pub fn of_record(record: &Record, topic: Topic) -> Self {
        let traceparent = record.traceparent.iter();
        Self {
            event_id: record.last_event_id,
            workflow_name: record.workflow_name.clone(),
            foreign_id: record.foreign_id.clone(),
            run_id: record.run_id,
            status: record.status,
            run_state: record.run_state,
            version: Some(record.version),
            topic,
            headers: traceparent.map(|at| (header::TRACEPARENT.into(), Arc::clone(at))).collect(),
        }
    }

    /// A further header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }

    /// Sets a further header, replacing one of the same name.
    pub fn set_header(&mut self, name: &str, value: impl Into<Arc<str>>) {
        self.headers.retain(|(key, _)| &**key != name);
        self.headers.push((name.into(), value.into()));
    }

    /// Which attempt the event starts, from 1.
    pub fn attempt(&self) -> u32 {
        self.header(header::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1)
    }
}
