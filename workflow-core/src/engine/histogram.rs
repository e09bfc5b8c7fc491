//! A histogram that can be read at any time, and tells an observer of each measurement.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::metrics::Sample;

/// One value that was measured just now, for an observer that keeps histograms of its own.
///
/// ```
/// use workflow_core::Measurement;
/// let measured = Measurement { name: "workflow_commit_batch_changes", process_name: None, value: 17.0 };
/// assert_eq!(measured.name, "workflow_commit_batch_changes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement<'a> {
    /// The histogram's name.
    pub name: &'static str,
    /// The process that it was measured in, if the histogram has that label.
    pub process_name: Option<&'a str>,
    /// The value.
    pub value: f64,
}

/// Who is told of each measurement, on the engine's path: it must not block.
pub(crate) type Observer = Box<dyn Fn(Measurement<'_>) + Send + Sync>;

/// The place of an observer, shared by what it observes; the first that comes stays.
pub(crate) type Observed = Arc<OnceLock<Observer>>;

pub(crate) struct Histogram {
    name: &'static str,
    /// The names of the series, so that they need not be put together at each reading.
    series: [&'static str; 3],
    bounds: &'static [f64],
    counts: Box<[AtomicU64]>,
    sum_billionths: AtomicU64,
    observed: Observed,
}

impl Histogram {
    /// `series` are the names of buckets, sum and count.
    pub(crate) fn new(
        name: &'static str,
        series: [&'static str; 3],
        bounds: &'static [f64],
        observed: Observed,
    ) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { name, series, bounds, counts, sum_billionths: AtomicU64::new(0), observed }
    }

    pub(crate) fn record(&self, value: f64, process_name: Option<&str>) {
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum_billionths.fetch_add((value * 1e9) as u64, Ordering::Relaxed);
        if let Some(observer) = self.observed.get() {
            observer(Measurement { name: self.name, process_name, value });
        }
    }

    pub(crate) fn samples(&self, process_name: Option<&str>, samples: &mut Vec<Sample>) {
        let labels = || process_name.map(|name| ("process_name", name.to_owned())).into_iter();
        let mut total = 0;
        for (at, count) in self.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let bound = self.bounds.get(at).map_or("+Inf".to_owned(), ToString::to_string);
            let labels = labels().chain([("le", bound)]).collect();
            samples.push(Sample { name: self.series[0], labels, value: total as f64 });
        }
        let sum = self.sum_billionths.load(Ordering::Relaxed) as f64 / 1e9;
        samples.push(Sample { name: self.series[1], labels: labels().collect(), value: sum });
        samples.push(Sample { name: self.series[2], labels: labels().collect(), value: total as f64 });
    }
}
