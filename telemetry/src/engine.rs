//! From the engine's own counts to instruments.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Histogram, Meter};
use workflow_core::{BackendMetrics, Measurement, Metrics, Sample};

use crate::instruments::{Kept, Kind, MEASURED, OF_BACKENDS, OF_WORKFLOWS};

/// The engines whose metrics are exported.
#[derive(Clone, Default)]
pub(crate) struct Engines(Arc<RwLock<Watched>>);

#[derive(Default)]
struct Watched {
    workflows: BTreeMap<String, Metrics>,
    backends: Vec<BackendMetrics>,
}

/// The histograms, by name.
pub(crate) type Histograms = Arc<HashMap<&'static str, Histogram<f64>>>;

impl Engines {
    /// Makes the instruments. Their values are asked for at each reading.
    pub(crate) fn instruments(&self, meter: &Meter) -> Histograms {
        for kept in &OF_WORKFLOWS {
            let this = self.clone();
            observe(meter, kept, move |observer| this.observe_workflows(kept.name, observer));
        }
        for kept in &OF_BACKENDS {
            let this = self.clone();
            observe(meter, kept, move |observer| this.observe_backends(kept.name, observer));
        }
        let histograms = MEASURED.iter().map(|measured| {
            let histogram = meter
                .f64_histogram(measured.name)
                .with_unit(measured.unit)
                .with_description(measured.meaning)
                .with_boundaries(measured.bounds.to_vec());
            (measured.name, histogram.build())
        });
        Arc::new(histograms.collect())
    }

    /// Exports the metrics of a workflow from now on, in place of one of the same name.
    pub(crate) fn watch_workflow(&self, name: &str, metrics: &Metrics, histograms: &Histograms) {
        let (workflow, histograms) =
            (KeyValue::new("workflow_name", name.to_owned()), Arc::clone(histograms));
        metrics.observe(move |measured| {
            let process = KeyValue::new("process_name", measured.process_name.unwrap_or_default().to_owned());
            record(&histograms, measured, &[workflow.clone(), process]);
        });
        let mut watched = self.0.write().unwrap_or_else(PoisonError::into_inner);
        watched.workflows.insert(name.to_owned(), metrics.clone());
    }

    /// Exports the metrics of a backend from now on.
    pub(crate) fn watch_backend(&self, metrics: &BackendMetrics, histograms: &Histograms) {
        let histograms = Arc::clone(histograms);
        // Several workflows share a backend: only the first one's call brings something new.
        if metrics.observe(move |measured| record(&histograms, measured, &[])) {
            let mut watched = self.0.write().unwrap_or_else(PoisonError::into_inner);
            watched.backends.push(metrics.clone());
        }
    }

    fn observe_workflows(&self, name: &str, observer: &dyn AsyncInstrument<f64>) {
        let watched = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (workflow, metrics) in &watched.workflows {
            for Sample { labels, value, .. } in of_name(metrics.samples(), name) {
                let mut attributes = vec![KeyValue::new("workflow_name", workflow.clone())];
                attributes.extend(labels.into_iter().map(|(name, value)| KeyValue::new(name, value)));
                observer.observe(value, &attributes);
            }
        }
    }

    fn observe_backends(&self, name: &str, observer: &dyn AsyncInstrument<f64>) {
        let watched = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_all = watched.backends.iter().flat_map(|metrics| of_name(metrics.samples(), name));
        // The sum of nothing is a negative zero, which looks odd.
        observer.observe(of_all.fold(0.0, |sum, sample| sum + sample.value), &[]);
    }
}

fn of_name(samples: Vec<Sample>, name: &str) -> impl Iterator<Item = Sample> {
    samples.into_iter().filter(move |sample| sample.name == name)
}

fn record(histograms: &Histograms, measured: Measurement<'_>, attributes: &[KeyValue]) {
    if let Some(histogram) = histograms.get(measured.name) {
        histogram.record(measured.value, attributes);
    }
}

fn observe(meter: &Meter, kept: &Kept, read: impl Fn(&dyn AsyncInstrument<f64>) + Send + Sync + 'static) {
    match kept.kind {
        Kind::Counter => {
            let counter = meter.f64_observable_counter(kept.name).with_unit(kept.unit);
            counter.with_description(kept.meaning).with_callback(read).build();
        }
        Kind::Gauge => {
            let gauge = meter.f64_observable_gauge(kept.name).with_unit(kept.unit);
            gauge.with_description(kept.meaning).with_callback(read).build();
        }
    }
}
