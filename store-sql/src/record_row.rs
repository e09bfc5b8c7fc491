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

impl RecordRow {
    /// The record, or what is wrong with the row of this table.
    pub(crate) fn into_record(self, table: &str) -> Result<Record, BackendError> {
        let of_run = self.run_id.clone();
        let corrupt = |column: &str, why: &dyn std::fmt::Display| {
            let context = format!("table {table}, run {of_run}, column {column}: {why}");
            BackendError::new(ErrorKind::Corrupt, context)
        };
        let meta = Meta::decode(self.meta.as_deref()).map_err(|error| corrupt("meta", &error.source))?;
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
