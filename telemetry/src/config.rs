//! What can be set, in a configuration file or by OpenTelemetry's own environment variables.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How log lines look.
///
/// ```
/// use telemetry::LogFormat;
/// assert_eq!(LogFormat::default(), LogFormat::Human);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people.
    #[default]
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// What a process tells, and to whom. Everything has a default; what OpenTelemetry names an environment variable for is
/// read from there where it is not set here: `OTEL_EXPORTER_OTLP_ENDPOINT` (also `.._TRACES_..` and `.._METRICS_..`),
/// `.._HEADERS`, `.._TIMEOUT`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and `.._ARG`,
/// `OTEL_BSP_*`, `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_SDK_DISABLED`.
///
/// ```
/// use telemetry::{LogFormat, TelemetryConfig};
/// let config: TelemetryConfig = serde_json::from_str(
///     r#"{"otlp_endpoint": "http://collector:4317", "service_name": "orders", "log_format": "json"}"#,
/// )?;
/// assert_eq!(config.log_format, LogFormat::Json);
/// assert!(serde_json::from_str::<TelemetryConfig>(r#"{"otlp": true}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Where spans and metrics are pushed over OTLP gRPC, as `http://collector:4317`; with `https` the system's roots are
    /// trusted. Without it and without the variable nothing is pushed; Prometheus can pull all the same.
    pub otlp_endpoint: Option<String>,
    /// The service's name; `workflow` if neither this nor a variable says.
    pub service_name: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written, as `info,workflow_core=debug`; else what `RUST_LOG` says, else `info`.
    pub log_filter: Option<String>,
    /// Which spans are traced. The engine's spans are of level debug.
    pub span_filter: String,
    /// How often metrics are pushed, in seconds; else what the variable says, else 60.
    pub metrics_every_seconds: Option<u64>,
    /// How long one push may take, in seconds; else what the variable says, else 10.
    pub export_timeout_seconds: Option<u64>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            service_name: None,
            log_format: LogFormat::Human,
            log_filter: None,
            // Spans over whole batches belong to no one run's trace.
            span_filter: "info,workflow_core=debug,workflow_core::batches=off".to_owned(),
            metrics_every_seconds: None,
            export_timeout_seconds: None,
        }
    }
}

/// The variables any of which names a collector.
const ENDPOINTS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
];

/// The variables any of which says how long a push may take.
const TIMEOUTS: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"];

fn is_set(name: &&str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

impl TelemetryConfig {
    /// These settings as those of a file, over which the environment goes: what one of OpenTelemetry's variables says is
    /// left to it.
    ///
    /// ```
    /// use telemetry::TelemetryConfig;
    /// let in_file = TelemetryConfig { service_name: Some("relay".into()), ..TelemetryConfig::default() };
    /// // Here no variable says otherwise.
    /// assert_eq!(in_file.clone().below_environment(), in_file);
    /// ```
    pub fn below_environment(mut self) -> Self {
        let unless = |names: &[&str]| !names.iter().any(is_set);
        self.otlp_endpoint = self.otlp_endpoint.filter(|_| unless(&ENDPOINTS));
        let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let is_named = attributes.split(',').any(|each| each.trim_start().starts_with("service.name="));
        self.service_name = self.service_name.filter(|_| !is_named && unless(&["OTEL_SERVICE_NAME"]));
        self.metrics_every_seconds =
            self.metrics_every_seconds.filter(|_| unless(&["OTEL_METRIC_EXPORT_INTERVAL"]));
        self.export_timeout_seconds = self.export_timeout_seconds.filter(|_| unless(&TIMEOUTS));
        self
    }

    /// Whether anything is to be pushed.
    ///
    /// ```
    /// use telemetry::TelemetryConfig;
    /// let config = TelemetryConfig { otlp_endpoint: Some("http://collector:4317".into()), ..Default::default() };
    /// assert!(config.pushes());
    /// ```
    pub fn pushes(&self) -> bool {
        let disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|it| it.eq_ignore_ascii_case("true"));
        !disabled && (self.otlp_endpoint.is_some() || ENDPOINTS.iter().any(is_set))
    }

    /// Whether some collector is asked over TLS.
    pub(crate) fn is_secured(&self) -> bool {
        let said = self.otlp_endpoint.clone().into_iter();
        let mut all = said.chain(ENDPOINTS.iter().filter_map(|name| std::env::var(name).ok()));
        all.any(|endpoint| endpoint.trim_start().starts_with("https:"))
    }

    pub(crate) fn export_timeout(&self) -> Option<Duration> {
        self.export_timeout_seconds.map(Duration::from_secs)
    }

    pub(crate) fn log_filter(&self) -> Result<tracing_subscriber::EnvFilter, Error> {
        let said = self.log_filter.clone().or_else(|| std::env::var("RUST_LOG").ok());
        filter("log_filter", said.as_deref().filter(|text| !text.is_empty()).unwrap_or("info"))
    }

    pub(crate) fn span_filter(&self) -> Result<tracing_subscriber::EnvFilter, Error> {
        filter("span_filter", &self.span_filter)
    }
}

fn filter(setting: &'static str, text: &str) -> Result<tracing_subscriber::EnvFilter, Error> {
    tracing_subscriber::EnvFilter::try_new(text).map_err(|source| Error::Filter { setting, source })
}
