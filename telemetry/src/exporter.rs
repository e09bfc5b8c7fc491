//! The exporters to a collector, which say once when it is away, and once when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{MetricExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::{Error, TelemetryConfig};

/// Pushes no spans to the collector that the settings name, which it answers if it is there and takes what it is sent.
///
/// # Errors
/// [`Error::Exporter`] if the settings cannot be used, [`Error::Unreached`] if it does not answer or refuses.
///
/// ```
/// use telemetry::{Error, TelemetryConfig};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// // Nobody listens there.
/// let config = TelemetryConfig { otlp_endpoint: Some("http://127.0.0.1:1".into()), ..Default::default() };
/// assert!(matches!(telemetry::reach(&config).await, Err(Error::Unreached(_))));
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn reach(config: &TelemetryConfig) -> Result<(), Error> {
    span_exporter(config)?.export(Vec::new()).await.map_err(Error::Unreached)
}

pub(crate) fn span_exporter(config: &TelemetryConfig) -> Result<opentelemetry_otlp::SpanExporter, Error> {
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic();
    set(exporter, config).build().map_err(|source| Error::Exporter { signal: "spans", source })
}

pub(crate) fn metric_exporter(config: &TelemetryConfig) -> Result<MetricExporter, Error> {
    let exporter = MetricExporter::builder().with_tonic();
    set(exporter, config).build().map_err(|source| Error::Exporter { signal: "metrics", source })
}

fn set<B: WithExportConfig + WithTonicConfig>(mut exporter: B, config: &TelemetryConfig) -> B {
    if let Some(endpoint) = &config.otlp_endpoint {
        exporter = exporter.with_endpoint(endpoint);
    }
    if let Some(timeout) = config.export_timeout() {
        exporter = exporter.with_timeout(timeout);
    }
    // A host without any roots is fine as long as none are needed.
    match config.is_secured() {
        true => exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots()),
        false => exporter,
    }
}

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
