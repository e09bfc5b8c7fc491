//! Exporters that say once when the collector is away, and once when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// An exporter, and whether its collector is known to be away. What cannot be pushed is lost: the queue before it is
/// bounded, and nothing waits for it.
#[derive(Debug)]
pub(crate) struct Telling<E> {
    exporter: E,
    signal: &'static str,
    away: Arc<AtomicBool>,
}

impl<E> Telling<E> {
    /// `away` is shared by the signals of one collector, so that it is said once.
    pub(crate) fn new(exporter: E, signal: &'static str, away: &Arc<AtomicBool>) -> Self {
        Self { exporter, signal, away: Arc::clone(away) }
    }

    fn tell(&self, result: &OTelSdkResult) {
        match result {
            Err(error) if !self.away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(signal = self.signal, error = %error, "the collector does not take telemetry: it is lost until it does");
            }
            Ok(()) if self.away.swap(false, Ordering::Relaxed) => {
                tracing::info!(signal = self.signal, "the collector takes telemetry again");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        self.tell(&result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Telling<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        self.tell(&result);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
