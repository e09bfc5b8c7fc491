//! What an engine counts and measures, for one workflow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::backend_metrics::BackendMetrics;
use super::client::Client;
use super::core::Object;
use super::histogram::{Histogram, Measurement, Observed};
use crate::{RunState, Skip, Status, WorkflowName};

/// What a process of a workflow is doing.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// # while running.states()["orders-1-consumer-1-of-1"] != ProcessState::Running { tokio::task::yield_now().await; }
/// assert_eq!(running.states()["orders-1-consumer-1-of-1"], ProcessState::Running);
/// # );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It has not begun.
    Unknown,
    /// It has ended.
    Shutdown,
    /// It owns its role and works.
    Running,
    /// It waits for its role.
    Idle,
}

impl ProcessState {
    const ALL: [ProcessState; 4] =
        [ProcessState::Unknown, ProcessState::Shutdown, ProcessState::Running, ProcessState::Idle];
}

/// The upper bounds of the latency histogram, in seconds.
///
/// ```
/// use workflow_core::LATENCY_BOUNDS_SECONDS;
/// assert!(LATENCY_BOUNDS_SECONDS.is_sorted());
/// ```
pub const LATENCY_BOUNDS_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The instruments of one workflow on one engine; cheap to clone. Names are those of existing dashboards.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
/// running.wait_for(&run).finished().await?;
/// # while running.metrics().samples().iter().all(|it| it.name != "workflow_run_state_changes") {
/// #     tokio::task::yield_now().await;
/// # }
/// assert!(running.metrics().states().contains_key("orders-1-consumer-1-of-1"));
/// # );
/// ```
#[derive(Clone, Default)]
pub struct Metrics(Arc<Instruments>);

#[derive(Default)]
struct Instruments {
    observed: Observed,
    processes: RwLock<BTreeMap<Arc<str>, Arc<ProcessMetrics>>>,
    run_state_changes: [[AtomicU64; RunState::ALL.len()]; RunState::ALL.len()],
    conflicts: AtomicU64,
    reconciled: AtomicU64,
    dead_letters: AtomicU64,
    retries: AtomicU64,
    /// How many failed attempts wait, as the owner of the retries has counted them last.
    waiting: AtomicU64,
}

/// One measured value with its labels.
///
/// ```
/// use workflow_core::Sample;
/// let sample = Sample { name: "workflow_dead_letters", labels: Vec::new(), value: 1.0 };
/// assert_eq!(sample.clone(), sample);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: &'static str,
    /// The labels, without that of the workflow.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

impl Metrics {
    /// Everything that was counted and measured so far.
    ///
    /// ```
    /// use workflow_core::Metrics;
    /// // What counts events that are rare is there from the beginning, so that the first one is a rise.
    /// assert!(Metrics::default().samples().iter().all(|sample| sample.value == 0.0));
    /// ```
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for process in self.0.processes.read().unwrap_or_else(PoisonError::into_inner).values() {
            process.samples(&mut samples);
        }
        for (from, row) in RunState::ALL.iter().zip(&self.0.run_state_changes) {
            for (to, count) in
                RunState::ALL.iter().zip(row).filter(|(_, count)| count.load(Ordering::Relaxed) > 0)
            {
                let labels = vec![
                    ("previous_run_state", from.name().to_owned()),
                    ("current_run_state", to.name().to_owned()),
                ];
                let value = count.load(Ordering::Relaxed) as f64;
                samples.push(Sample { name: "workflow_run_state_changes", labels, value });
            }
        }
        let totals = [
            ("workflow_commit_conflicts", &self.0.conflicts),
            ("workflow_reconciled_runs", &self.0.reconciled),
            ("workflow_dead_letters", &self.0.dead_letters),
            ("workflow_retries_scheduled", &self.0.retries),
            ("workflow_retries_waiting", &self.0.waiting),
        ];
        for (name, count) in totals {
            samples.push(Sample { name, labels: Vec::new(), value: count.load(Ordering::Relaxed) as f64 });
        }
        samples
    }

    /// Has an observer told of each measurement of a histogram from now on; it is called on the engine's path and must
    /// not block. Tells whether it is taken: the first one stays.
    ///
    /// ```
    /// use workflow_core::Metrics;
    /// let metrics = Metrics::default();
    /// assert!(metrics.observe(|measured| println!("{} {}", measured.name, measured.value)));
    /// assert!(!metrics.observe(|_| {}));
    /// ```
    pub fn observe(&self, observer: impl Fn(Measurement<'_>) + Send + Sync + 'static) -> bool {
        self.0.observed.set(Box::new(observer)).is_ok()
    }

    /// What each process is doing, by name.
    pub fn states(&self) -> BTreeMap<String, ProcessState> {
        let processes = self.0.processes.read().unwrap_or_else(PoisonError::into_inner);
        processes.iter().map(|(name, process)| (name.to_string(), process.state())).collect()
    }

    pub(crate) fn process(&self, name: &Arc<str>, lag_alert: Duration) -> Arc<ProcessMetrics> {
        let mut processes = self.0.processes.write().unwrap_or_else(PoisonError::into_inner);
        let process = processes.entry(Arc::clone(name)).or_insert_with(|| {
            Arc::new(ProcessMetrics::new(Arc::clone(name), lag_alert, Arc::clone(&self.0.observed)))
        });
        Arc::clone(process)
    }

    pub(crate) fn run_state_changed(&self, from: RunState, to: RunState) {
        if from != to {
            let at = |state: RunState| state.code().unsigned_abs() as usize;
            self.0.run_state_changes[at(from)][at(to)].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn conflict(&self) {
        self.0.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reconciled(&self, runs: usize) {
        self.0.reconciled.fetch_add(runs as u64, Ordering::Relaxed);
    }

    pub(crate) fn dead_letter(&self) {
        self.0.dead_letters.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retries_waiting(&self, retries: u64) {
        self.0.waiting.store(retries, Ordering::Relaxed);
    }

    pub(crate) fn retry_scheduled(&self) {
        self.0.retries.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.samples()).finish()
    }
}

/// The instruments of one process.
pub(crate) struct ProcessMetrics {
    state: AtomicU8,
    lag_millis: AtomicI64,
    lag_alert: Duration,
    name: Arc<str>,
    takeovers: AtomicU64,
    latency: Histogram,
    errors: AtomicU64,
    skipped: Mutex<BTreeMap<&'static str, u64>>,
}

impl ProcessMetrics {
    fn new(name: Arc<str>, lag_alert: Duration, observed: Observed) -> Self {
        let series = [
            "workflow_process_latency_seconds_bucket",
            "workflow_process_latency_seconds_sum",
            "workflow_process_latency_seconds_count",
        ];
        Self {
            state: AtomicU8::new(0),
            lag_millis: AtomicI64::new(0),
            lag_alert,
            name,
            takeovers: AtomicU64::new(0),
            latency: Histogram::new(
                "workflow_process_latency_seconds",
                series,
                &LATENCY_BOUNDS_SECONDS,
                observed,
            ),
            errors: AtomicU64::new(0),
            skipped: Mutex::default(),
        }
    }

    pub(crate) fn set_state(&self, state: ProcessState) {
        let at = ProcessState::ALL.iter().position(|each| *each == state).unwrap_or_default();
        self.state.store(u8::try_from(at).unwrap_or_default(), Ordering::Relaxed);
        if state == ProcessState::Running {
            self.takeovers.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn state(&self) -> ProcessState {
        ProcessState::ALL[usize::from(self.state.load(Ordering::Relaxed))]
    }

    pub(crate) fn lag(&self, lag: Duration) {
        self.lag_millis.store(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn took(&self, duration: Duration) {
        self.latency.record(duration.as_secs_f64(), Some(&*self.name));
    }

    pub(crate) fn error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn skipped(&self, reason: Skip) {
        *self.skipped.lock().unwrap_or_else(PoisonError::into_inner).entry(reason.as_str()).or_default() += 1;
    }

    fn samples(&self, samples: &mut Vec<Sample>) {
        let label = || ("process_name", self.name.to_string());
        let mut put = |name, labels, value| samples.push(Sample { name, labels, value });
        let lag = self.lag_millis.load(Ordering::Relaxed) as f64 / 1000.0;
        put("workflow_process_lag_seconds", vec![label()], lag);
        let alert = f64::from(u8::from(lag > self.lag_alert.as_secs_f64()));
        put("workflow_process_lag_alert", vec![label()], alert);
        let state = f64::from(self.state.load(Ordering::Relaxed));
        put("workflow_process_states", vec![label()], state);
        let owned = f64::from(u8::from(self.state() == ProcessState::Running));
        put("workflow_role_owned", vec![label()], owned);
        put("workflow_role_takeovers", vec![label()], self.takeovers.load(Ordering::Relaxed) as f64);
        put("workflow_process_error_count", vec![label()], self.errors.load(Ordering::Relaxed) as f64);
        for (reason, count) in self.skipped.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = vec![label(), ("reason", (*reason).to_owned())];
            put("workflow_process_skipped_events_count", labels, *count as f64);
        }
        self.latency.samples(Some(&*self.name), samples);
    }
}

impl<T: Object, S: Status> Client<T, S> {
    /// The workflow's name.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// assert_eq!(running.workflow_name().as_str(), "orders");
    /// # );
    /// ```
    pub fn workflow_name(&self) -> &WorkflowName {
        &self.core().definition.name
    }

    /// What was counted and measured here for all workflows on the client's backend together.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// let samples = running.backend_metrics().samples();
    /// assert!(samples.iter().any(|it| it.name == "workflow_commit_failures" && it.value == 0.0));
    /// # );
    /// ```
    pub fn backend_metrics(&self) -> &BackendMetrics {
        &self.core().hub.metrics
    }
}
