//! Runs and their histories, as they are shown.

use serde::Serialize;
use serde_json::Value;
use workflow_core::{HistoryEntry, Record};

use crate::output::{Column, fields, table};

/// A run.
#[derive(Serialize)]
pub(super) struct Run {
    run_id: String,
    workflow: String,
    foreign_id: String,
    state: &'static str,
    status: i32,
    status_name: Option<String>,
    version: u64,
    created_at: String,
    updated_at: String,
    reason: Option<String>,
    paused_by: Option<&'static str>,
    start_key: Option<String>,
    last_event_id: Option<String>,
    trace_origin: Option<String>,
    object_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Value>,
}

fn named(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

impl Run {
    pub(super) fn new(record: &Record, with_object: bool) -> Self {
        let json = || {
            let text = || Value::String(String::from_utf8_lossy(&record.object).into_owned());
            serde_json::from_slice(&record.object).unwrap_or_else(|_| text())
        };
        Self {
            run_id: record.run_id.to_string(),
            workflow: record.workflow_name.to_string(),
            foreign_id: record.foreign_id.to_string(),
            state: record.run_state.name(),
            status: record.status.get(),
            status_name: named(&record.status_description),
            version: record.version.get(),
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
            reason: named(&record.run_state_reason),
            paused_by: record.paused_by.map(|by| by.as_str()),
            start_key: record.start_key.as_ref().map(ToString::to_string),
            last_event_id: record.last_event_id.map(|id| id.to_string()),
            trace_origin: named(&record.trace_origin),
            object_bytes: record.object.len(),
            object: with_object.then(json),
        }
    }

    fn status(&self) -> String {
        status(self.status, self.status_name.as_deref())
    }

    /// All of it, under each other.
    pub(super) fn in_full(&self) -> String {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let pairs = [
            ("run", self.run_id.clone()),
            ("workflow", self.workflow.clone()),
            ("foreign id", self.foreign_id.clone()),
            ("state", self.state.to_owned()),
            ("status", self.status()),
            ("version", self.version.to_string()),
            ("created", self.created_at.clone()),
            ("updated", self.updated_at.clone()),
            ("reason", or_none(&self.reason)),
            ("paused by", self.paused_by.unwrap_or("-").to_owned()),
            ("start key", or_none(&self.start_key)),
            ("last event", or_none(&self.last_event_id)),
            ("triggered from", or_none(&self.trace_origin)),
            ("object", format!("{} bytes", self.object_bytes)),
        ];
        let mut text = fields(&pairs);
        if let Some(object) = &self.object {
            // JSON escapes what would steer a terminal, but for some that only change directions.
            let pretty = serde_json::to_string_pretty(object).unwrap_or_default();
            text.push_str(&pretty.lines().map(crate::output::plain).collect::<Vec<_>>().join("\n"));
            text.push('\n');
        }
        text
    }
}

/// Runs under each other.
pub(super) fn runs(runs: &[Run]) -> String {
    let columns = [
        Column::Text("RUN"),
        Column::Text("WORKFLOW"),
        Column::Text("FOREIGN ID"),
        Column::Text("STATE"),
        Column::Text("STATUS"),
        Column::Number("VERSION"),
        Column::Text("CREATED"),
        Column::Text("UPDATED"),
    ];
    let row = |run: &Run| {
        let state = run.state.to_owned();
        let version = run.version.to_string();
        let names =
            [run.run_id.clone(), run.workflow.clone(), run.foreign_id.clone(), state, run.status(), version];
        names.into_iter().chain([run.created_at.clone(), run.updated_at.clone()]).collect()
    };
    table(&columns, &runs.iter().map(row).collect::<Vec<Vec<String>>>())
}

/// A version of a run.
#[derive(Serialize)]
pub(super) struct Entry {
    version: u64,
    from_status: Option<i32>,
    to_status: i32,
    to_status_name: Option<String>,
    state: &'static str,
    actor: String,
    attempt: u32,
    duration_seconds: f64,
    at: String,
    reason: Option<String>,
}

impl Entry {
    /// An entry; the name of a status is known for the one that the run has now.
    pub(super) fn new(entry: &HistoryEntry, record: Option<&Record>) -> Self {
        let now = record.filter(|record| record.status == entry.to_status);
        Self {
            version: entry.version.get(),
            from_status: entry.from_status.map(|status| status.get()),
            to_status: entry.to_status.get(),
            to_status_name: now.and_then(|record| named(&record.status_description)),
            state: entry.run_state.name(),
            actor: entry.actor.to_string(),
            attempt: entry.attempt,
            duration_seconds: entry.duration.as_secs_f64(),
            at: entry.at.to_string(),
            reason: named(&entry.reason),
        }
    }
}

/// Versions under each other.
pub(super) fn entries(entries: &[Entry]) -> String {
    let columns = [
        Column::Number("VERSION"),
        Column::Text("AT"),
        Column::Number("FROM"),
        Column::Text("TO"),
        Column::Text("STATE"),
        Column::Text("BY"),
        Column::Number("ATTEMPT"),
        Column::Number("TOOK"),
        Column::Text("REASON"),
    ];
    let row = |entry: &Entry| {
        vec![
            entry.version.to_string(),
            entry.at.clone(),
            entry.from_status.map_or("-".to_owned(), |status| status.to_string()),
            status(entry.to_status, entry.to_status_name.as_deref()),
            entry.state.to_owned(),
            entry.actor.clone(),
            entry.attempt.to_string(),
            format!("{:.3} s", entry.duration_seconds),
            entry.reason.clone().unwrap_or_default(),
        ]
    };
    table(&columns, &entries.iter().map(row).collect::<Vec<_>>())
}

fn status(number: i32, name: Option<&str>) -> String {
    name.map_or(number.to_string(), |name| format!("{number} {name}"))
}
