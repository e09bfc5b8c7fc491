//! What the engine counts and measures for all workflows on one backend together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::{Histogram, Measurement, Observed};
use super::metrics::{LATENCY_BOUNDS_SECONDS, Sample};

/// The upper bounds of the histograms of batches, in changes or events.
///
/// ```
/// use workflow_core::BATCH_BOUNDS;
/// assert!(BATCH_BOUNDS.is_sorted());
/// ```
pub const BATCH_BOUNDS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// The instruments of what all workflows on one backend share: the write path and the outbox. Cheap to clone.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
/// running.wait_for(&run).finished().await?;
/// let samples = running.backend_metrics().samples();
/// let commits = samples.iter().find(|it| it.name == "workflow_commit_batch_changes_count");
/// assert!(commits.is_some_and(|commits| commits.value >= 1.0));
/// # );
/// ```
#[derive(Clone)]
pub struct BackendMetrics(Arc<Instruments>);

struct Instruments {
    observed: Observed,
    commit_changes: Histogram,
    commit_seconds: Histogram,
    publish_events: Histogram,
    commit_failures: AtomicU64,
    publish_failures: AtomicU64,
}

impl Default for BackendMetrics {
    fn default() -> Self {
        let observed = Observed::default();
        let histogram = |name, series, bounds| Histogram::new(name, series, bounds, Arc::clone(&observed));
        Self(Arc::new(Instruments {
            commit_changes: histogram(
                "workflow_commit_batch_changes",
                [
                    "workflow_commit_batch_changes_bucket",
                    "workflow_commit_batch_changes_sum",
                    "workflow_commit_batch_changes_count",
                ],
                &BATCH_BOUNDS,
            ),
            commit_seconds: histogram(
                "workflow_commit_latency_seconds",
                [
                    "workflow_commit_latency_seconds_bucket",
                    "workflow_commit_latency_seconds_sum",
                    "workflow_commit_latency_seconds_count",
                ],
                &LATENCY_BOUNDS_SECONDS,
            ),
            publish_events: histogram(
                "workflow_publish_batch_events",
                [
                    "workflow_publish_batch_events_bucket",
                    "workflow_publish_batch_events_sum",
                    "workflow_publish_batch_events_count",
                ],
                &BATCH_BOUNDS,
            ),
            commit_failures: AtomicU64::new(0),
            publish_failures: AtomicU64::new(0),
            observed,
        }))
    }
}

impl BackendMetrics {
    /// Everything that was counted and measured so far.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for histogram in [&self.0.commit_changes, &self.0.commit_seconds, &self.0.publish_events] {
            histogram.samples(None, &mut samples);
        }
        for (name, count) in [
            ("workflow_commit_failures", &self.0.commit_failures),
            ("workflow_publish_failures", &self.0.publish_failures),
        ] {
            samples.push(Sample { name, labels: Vec::new(), value: count.load(Ordering::Relaxed) as f64 });
        }
        samples
    }

    /// Has an observer told of each measurement of a histogram from now on; it is called on the engine's path and must
    /// not block. Tells whether it is taken: the first one stays.
    ///
    /// ```
    /// use workflow_core::BackendMetrics;
    /// let metrics = BackendMetrics::default();
    /// assert!(metrics.observe(|measured| println!("{} {}", measured.name, measured.value)));
    /// assert!(!metrics.observe(|_| {}));
    /// ```
    pub fn observe(&self, observer: impl Fn(Measurement<'_>) + Send + Sync + 'static) -> bool {
        self.0.observed.set(Box::new(observer)).is_ok()
    }

    pub(crate) fn committed(&self, changes: usize, took: Duration, stored: bool) {
        self.0.commit_changes.record(changes as f64, None);
        self.0.commit_seconds.record(took.as_secs_f64(), None);
        self.0.commit_failures.fetch_add(u64::from(!stored), Ordering::Relaxed);
    }

    pub(crate) fn published(&self, events: usize, sent: bool) {
        self.0.publish_events.record(events as f64, None);
        self.0.publish_failures.fetch_add(u64::from(!sent), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for BackendMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.samples()).finish()
    }
}
