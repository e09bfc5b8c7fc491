//! What the relay tells of itself, and to whom. OpenTelemetry names the variables: they go over the file, and flags over
//! them.

use serde::Deserialize;
use telemetry::{LogFormat, TelemetryConfig};

use super::args::Args;
use super::file::Layers;
use super::problems::Problems;

/// The service's name if nobody says another.
const SERVICE: &str = "outbox-relay";

/// The section `telemetry` of the file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    otlp_endpoint: Option<String>,
    service_name: Option<String>,
    span_filter: Option<String>,
    metrics_every_seconds: Option<u64>,
    export_timeout_seconds: Option<u64>,
}

/// Takes the settings of logs, spans and metrics.
pub(super) fn telemetry(args: &Args, layers: &mut Layers, problems: &mut Problems) -> TelemetryConfig {
    let section: Section = layers.section("telemetry", problems).unwrap_or_default();
    let defaults = TelemetryConfig::default();
    let in_file = TelemetryConfig {
        otlp_endpoint: section.otlp_endpoint,
        service_name: section.service_name.or_else(|| Some(SERVICE.to_owned())),
        span_filter: section.span_filter.unwrap_or(defaults.span_filter),
        metrics_every_seconds: section.metrics_every_seconds,
        export_timeout_seconds: section.export_timeout_seconds,
        log_format: log_format(layers, problems),
        log_filter: Some(layers.text("log", problems).unwrap_or_else(|| "info".to_owned())),
    };
    let mut config = in_file.below_environment();
    let said = |flag: &Option<String>| flag.clone().filter(|text| !text.is_empty());
    config.otlp_endpoint = said(&args.otlp_endpoint).or(config.otlp_endpoint);
    config.service_name = said(&args.service_name).or(config.service_name);
    for mistake in config.mistakes() {
        let place = match mistake.setting {
            "log_filter" => layers.place("log"),
            variable if variable.starts_with("OTEL_") => variable.to_owned(),
            setting => format!("telemetry.{setting}"),
        };
        problems.add(place, mistake.reason);
    }
    config
}

fn log_format(layers: &mut Layers, problems: &mut Problems) -> LogFormat {
    let Some(text) = layers.text("log_format", problems) else { return LogFormat::Human };
    match text.as_str() {
        "text" => LogFormat::Human,
        "json" => LogFormat::Json,
        other => {
            problems.add(layers.place("log_format"), format!("{other:?} is neither text nor json"));
            LogFormat::Human
        }
    }
}
