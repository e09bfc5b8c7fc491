//! A record as a row, whatever the database.

use std::sync::Arc;

use bytes::Bytes;
use workflow_core::adapter::{BackendError, ErrorKind};
use workflow_core::{
    EventId, ForeignId, Meta, PausedBy, Record, RunId, RunState, StartKey, StatusCode, Timestamp, Version,
    WorkflowName,
};

/// The columns of a record, in the order in which the dialects read them.
macro_rules! record_columns {
    () => {
        "run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, \
         last_event_id, paused_by, start_key"
    };
}

pub(crate) use record_columns;

/// A number of a run as a column holds it: none ever comes near the end of what that can hold.
pub(crate) fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The values of a row of `workflow_records`, as a driver gives them.
pub(crate) struct RecordRow {
    pub(crate) run_id: String,
    pub(crate) workflow_name: String,
    pub(crate) foreign_id: String,
    pub(crate) run_state: i64,
    pub(crate) status: i64,
    pub(crate) object: Vec<u8>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) meta: Option<Vec<u8>>,
    pub(crate) version: i64,
    pub(crate) last_event_id: Option<String>,
    pub(crate) paused_by: Option<String>,
    pub(crate) start_key: Option<String>,
}

/// The version of a row that the Go library may have stored last: it raises the number in `meta` and leaves the column
/// `version` as it was, or NULL if it made the row. Ours raises both, so the higher one counts.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn shared_version(column: Option<i64>, meta: &Meta<'_>) -> i64 {
    let in_meta = i64::try_from(meta.version.max(1)).unwrap_or(i64::MAX);
    column.map_or(in_meta, |column| if column < 1 { column } else { column.max(in_meta) })
}

/// The same of a row whose `meta` is not decoded; what cannot be read says nothing against the column.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn shared_version_of(column: Option<i64>, meta: Option<&[u8]>) -> Option<Version> {
    let version = match Meta::decode(meta) {
        Ok(meta) => shared_version(column, &meta),
        Err(_) => column?,
    };
    u64::try_from(version).ok().and_then(Version::new)
}

impl RecordRow {
    /// The record, or what is wrong with the row of this table.
    #[cfg(feature = "sqlite")]
    pub(crate) fn into_record(self, table: &str) -> Result<Record, BackendError> {
        let meta = self.decoded_meta(table)?;
        self.with(meta, table)
    }

    /// The same of a table that the Go library writes too; `column` is what the column `version` holds. What it stored
    /// has no event of ours, and who paused it is not known.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn into_shared_record(
        mut self,
        column: Option<i64>,
        table: &str,
    ) -> Result<Record, BackendError> {
        let meta = self.decoded_meta(table)?;
        self.version = shared_version(column, &meta);
        if column != Some(self.version) {
            self.last_event_id = None;
            self.paused_by = None;
        }
        self.with(meta, table)
    }

    fn decoded_meta(&self, table: &str) -> Result<Meta<'static>, BackendError> {
        Meta::decode(self.meta.as_deref())
            .map_err(|error| corrupt(table, &self.run_id, "meta", &error.source))
    }

    fn with(self, meta: Meta<'_>, table: &str) -> Result<Record, BackendError> {
        let of_run = self.run_id.clone();
        let corrupt = move |column: &str, why: &dyn std::fmt::Display| corrupt(table, &of_run, column, why);
        let run_state = i32::try_from(self.run_state).map_err(|error| corrupt("run_state", &error))?;
        let status = i32::try_from(self.status).map_err(|error| corrupt("status", &error))?;
        let version = u64::try_from(self.version).ok().and_then(Version::new);
        let event_id = self.last_event_id.map(|id| id.parse::<EventId>());
        Ok(Record {
            run_id: self.run_id.parse::<RunId>().map_err(|error| corrupt("run_id", &error))?,
            workflow_name: WorkflowName::new(self.workflow_name)
                .map_err(|error| corrupt("workflow_name", &error))?,
            foreign_id: ForeignId::new(self.foreign_id).map_err(|error| corrupt("foreign_id", &error))?,
            run_state: RunState::from_code(run_state).map_err(|error| corrupt("run_state", &error))?,
            status: StatusCode::new(status).map_err(|error| corrupt("status", &error))?,
            object: Bytes::from(self.object),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
            version: version.ok_or_else(|| corrupt("version", &"a version is 1 or greater"))?,
            run_state_reason: Arc::from(&*meta.run_state_reason),
            status_description: Arc::from(&*meta.status_description),
            trace_origin: Arc::from(&*meta.trace_origin),
            traceparent: meta.traceparent.as_deref().map(Arc::from),
            last_event_id: event_id.transpose().map_err(|error| corrupt("last_event_id", &error))?,
            paused_by: self.paused_by.as_deref().and_then(PausedBy::from_name),
            start_key: self
                .start_key
                .map(StartKey::new)
                .transpose()
                .map_err(|error| corrupt("start_key", &error))?,
        })
    }
}

fn corrupt(table: &str, run_id: &str, column: &str, why: &dyn std::fmt::Display) -> BackendError {
    let context = format!("table {table}, run {run_id}, column {column}: {why}");
    BackendError::new(ErrorKind::Corrupt, context)
}
