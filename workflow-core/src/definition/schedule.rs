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
/// # use workflow_shop::*;
/// # example!(
/// let minutes = Schedule::new("milk", "@every 1s", || Order { cents: 180 });
/// let orders = Workflow::builder("orders")
///     .step(Placed, pay, [Paid, Declined])
///     .callback(Paid, scanned, [Shipped])
///     .schedule(minutes)
///     .build()?;
/// let running = orders.run(Memory::new()).await?;
/// # while running.latest("milk").await?.is_none() { tokio::task::yield_now().await; }
/// assert_eq!(running.latest("milk").await?.unwrap().object()?.cents, 180);
/// # );
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
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let nightly = Schedule::new("report", "30 25 * * *", || Order { cents: 0 });
    /// let orders = Workflow::builder("orders").step(Placed, pay, [Paid, Declined, Shipped]).schedule(nightly).build();
    /// assert!(orders.unwrap_err().to_string().contains("\"30 25 * * *\", position 4: hour \"25\""));
    /// ```
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
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let nightly = Schedule::new("report", "30 2 * * *", || Order { cents: 0 }).in_zone("Europe/Atlantis");
    /// let orders = Workflow::builder("orders").step(Placed, pay, [Paid, Declined, Shipped]).schedule(nightly).build();
    /// assert!(orders.unwrap_err().to_string().contains("\"Europe/Atlantis\" is no time zone"));
    /// ```
    pub fn in_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Starts its runs in this status instead of the workflow's first one.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let free = Schedule::new("sample", "@daily", || Order { cents: 0 }).start_at(Paid);
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .schedule(free)
    ///     .build()?;
    /// assert_eq!(orders.graph().start(), "Placed");
    /// # Ok::<(), DefinitionErrors>(())
    /// ```
    pub fn start_at(mut self, status: S) -> Self {
        self.start = Some(status);
        self
    }

    /// Asked at each slot; a slot for which it says no is passed over.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// static OPEN: AtomicBool = AtomicBool::new(false);
    /// static ASKED: AtomicBool = AtomicBool::new(false);
    ///
    /// running.schedule(Schedule::new("milk", "@every 1s", || Order { cents: 180 }).only_if(|| {
    ///     ASKED.store(true, Ordering::Relaxed);
    ///     OPEN.load(Ordering::Relaxed)
    /// }))?;
    /// # while !ASKED.load(Ordering::Relaxed) { tokio::task::yield_now().await; }
    /// assert!(running.latest("milk").await?.is_none());
    /// # );
    /// ```
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
