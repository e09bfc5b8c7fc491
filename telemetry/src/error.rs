//! What can go wrong while telemetry is set up or ended.

use std::time::Duration;

/// Why telemetry cannot be set up, read or flushed.
///
/// ```
/// use std::time::Duration;
/// let late = telemetry::Error::NotFlushed { deadline: Duration::from_secs(5) };
/// assert!(late.to_string().contains("within 5s"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A filter of logs or spans cannot be read.
    #[error("{setting} is not a list of `target=level`")]
    Filter {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The exporter refuses its settings, as an endpoint that is no URL.
    #[error(
        "the OTLP exporter of {signal} cannot be made: see otlp_endpoint and the variables OTEL_EXPORTER_OTLP_*"
    )]
    Exporter {
        /// Spans or metrics.
        signal: &'static str,
        /// What it says.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// The reader for Prometheus cannot be made.
    #[error("the reader for Prometheus cannot be made")]
    Reader(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// The metrics cannot be written as text.
    #[error("the metrics cannot be written as text")]
    Text(#[source] prometheus::Error),
    /// Another subscriber is installed in this process.
    #[error("the process has a subscriber for tracing already: add the layer of a `Telemetry` to it instead")]
    Installed(#[source] tracing_subscriber::util::TryInitError),
    /// The exporters need a runtime.
    #[error("telemetry is to be set up within a tokio runtime")]
    NoRuntime,
    /// The collector does not answer, or refuses.
    #[error("the collector does not take what it is sent")]
    Unreached(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// The collector did not take the rest in time.
    #[error("spans and metrics could not be flushed within {deadline:?}")]
    NotFlushed {
        /// The deadline.
        deadline: Duration,
    },
}
