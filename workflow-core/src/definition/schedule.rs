//! When runs are started by themselves.

use std::sync::Arc;

use super::{CronSpec, SchedulePart};
use crate::{Error, ForeignId, GroupName, WorkflowName};

/// A schedule: the business key and slots of its runs, and the object that each starts with.
///
/// A slot that falls while the previous run is unfinished is skipped; of slots that were missed while nothing ran, the
/// latest is made up for.
///
/// ```
/// use workflow_core::Schedule;
/// # #[derive(Clone, Copy)] enum S {}
/// let nightly: Schedule<String, S> = Schedule::new("report", "30 2 * * mon-fri", || "daily".to_owned())
///     .in_zone("Europe/Berlin")
///     .only_if(|| true);
/// # let _ = nightly;
/// ```
pub struct Schedule<T, S> {
    foreign_id: String,
    spec: String,
    zone: Option<String>,
    start: Option<S>,
    object: Arc<dyn Fn() -> T + Send + Sync>,
    filter: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl<T, S> Schedule<T, S> {
    /// Runs of this business key, at the slots of this spec, each with an object of its own. The spec is five-field
    /// cron, `@hourly` and the like, or `@every 90s`.
    pub fn new(
        foreign_id: impl Into<String>,
        spec: impl Into<String>,
        object: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            foreign_id: foreign_id.into(),
            spec: spec.into(),
            zone: None,
            start: None,
            object: Arc::new(object),
            filter: None,
        }
    }

    /// Reads the spec in this IANA time zone; UTC by default.
    pub fn in_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Starts its runs in this status instead of the workflow's first one.
    pub fn start_at(mut self, status: S) -> Self {
        self.start = Some(status);
        self
    }

    /// Asked at each slot; a slot for which it says no is passed over.
    pub fn only_if(mut self, filter: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// The status in which its runs start, if it is not the workflow's own.
    pub(crate) fn first_status(&self) -> Option<S>
    where
        S: Copy,
    {
        self.start
    }

    /// The name of the role that starts its runs.
    pub(crate) fn role(&self, workflow: &WorkflowName) -> String {
        let zone = self.zone.as_ref().map(|zone| format!("TZ={zone} ")).unwrap_or_default();
        match ForeignId::new(self.foreign_id.as_str()) {
            Ok(foreign_id) => GroupName::of_schedule(workflow, &foreign_id, &(zone + &self.spec)).to_string(),
            Err(_) => String::new(),
        }
    }

    pub(crate) fn into_part(self) -> Result<SchedulePart<T, S>, Error> {
        let spec = match &self.zone {
            Some(zone) => CronSpec::parse_in_zone(&self.spec, zone)?,
            None => CronSpec::parse(&self.spec)?,
        };
        Ok(SchedulePart {
            foreign_id: ForeignId::new(self.foreign_id)?,
            spec,
            start: self.start,
            object: self.object,
            filter: self.filter,
        })
    }
}
