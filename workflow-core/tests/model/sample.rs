//! A record and its event, for tests that change one thing about them.

use workflow_core::{
    Event, EventId, ForeignId, Headers, Record, RunId, RunState, StatusCode, Topic, Version, WorkflowName,
};

pub(crate) fn status(code: i32) -> StatusCode {
    StatusCode::new(code).unwrap()
}

pub(crate) fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// The run of all tests here.
pub(crate) fn run_id() -> RunId {
    "4d9010bf-13b7-4b99-83c9-175e4b7250e3".parse().unwrap()
}

pub(crate) fn event_id(digit: u8) -> EventId {
    format!("outbox-id-0195f7a0-0000-7000-8000-00000000000{digit}").parse().unwrap()
}

/// A running run in status 2, stored five times.
pub(crate) fn record() -> Record {
    Record {
        workflow_name: WorkflowName::new("orders").unwrap(),
        foreign_id: ForeignId::new("order-17").unwrap(),
        run_id: run_id(),
        run_state: RunState::Running,
        status: status(2),
        object: r#"{"cents":4200}"#.into(),
        created_at: workflow_core::Timestamp::from_millis(1_000),
        updated_at: workflow_core::Timestamp::from_millis(2_000),
        version: version(5),
        run_state_reason: "why it is so".into(),
        status_description: "Paid".into(),
        trace_origin: "src/main.rs:7:9".into(),
        traceparent: None,
        last_event_id: Some(event_id(5)),
        paused_by: None,
        start_key: None,
    }
}

/// The event that storing the record emitted.
pub(crate) fn event() -> Event {
    let record = record();
    Event {
        event_id: record.last_event_id,
        topic: Topic::of_record(&record.workflow_name, record.run_state, record.status),
        workflow_name: record.workflow_name,
        foreign_id: record.foreign_id,
        run_id: record.run_id,
        status: record.status,
        run_state: record.run_state,
        version: Some(record.version),
        headers: Headers::new(),
    }
}
