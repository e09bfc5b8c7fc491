//! What a process tells of itself, and to whom.

use std::time::Duration;

use clap::Args;
use telemetry::{LogFormat, TelemetryConfig};

/// How long the last spans and metrics may take to reach the collector.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

/// The service's name if nobody says another.
const SERVICE: &str = "order-processor";

/// Who is told; the other variables of OpenTelemetry are read as well, among them `OTEL_EXPORTER_OTLP_HEADERS`.
#[derive(Args, Clone, Debug, Default)]
pub struct Telling {
    /// The collector that gets spans and metrics over OTLP gRPC, as http://collector:4317 [default: what
    /// OTEL_EXPORTER_OTLP_ENDPOINT says; else nothing is pushed]
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// What the spans and metrics are of [default: what OTEL_SERVICE_NAME says; else order-processor]
    #[arg(long, value_name = "NAME")]
    pub service_name: Option<String>,
}

impl Telling {
    /// The settings; a flag goes over the environment.
    pub(super) fn config(&self, log_filter: &str) -> TelemetryConfig {
        let defaults = TelemetryConfig {
            service_name: Some(SERVICE.to_owned()),
            log_format: LogFormat::Human,
            log_filter: Some(std::env::var("RUST_LOG").unwrap_or_else(|_| log_filter.to_owned())),
            ..TelemetryConfig::default()
        };
        let mut config = defaults.below_environment();
        config.otlp_endpoint.clone_from(&self.otlp_endpoint);
        config.service_name = self.service_name.clone().or(config.service_name);
        config
    }
}
