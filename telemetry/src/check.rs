//! What is wrong with settings, told before anything is set up. Exporters leave out what they cannot read, so that a
//! header with a slip in it would be missed only where the collector refuses.

use std::fmt;

use axum::http::{HeaderName, HeaderValue, Uri};

use crate::TelemetryConfig;

/// A setting, or a variable of OpenTelemetry, that cannot be used. It never shows the value: that may hold a secret.
///
/// ```
/// use telemetry::TelemetryConfig;
/// let config = TelemetryConfig { metrics_every_seconds: Some(0), ..TelemetryConfig::default() };
/// let mistakes = config.mistakes();
/// assert_eq!(mistakes[0].to_string(), "metrics_every_seconds: it is 1 at least");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which one.
    pub setting: &'static str,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.reason)
    }
}

/// The variables that are one endpoint each.
const ENDPOINTS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
];

/// Those with headers that each push carries.
const HEADERS: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"];

/// Those that are a time in milliseconds.
const TIMES: [&str; 4] = [
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
];

/// Those that name a protocol; there is one.
const PROTOCOLS: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
];

const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

impl TelemetryConfig {
    /// Everything that is wrong with these settings and with the variables of OpenTelemetry, all at once.
    pub fn mistakes(&self) -> Vec<Mistake> {
        self.mistakes_with(&|name| std::env::var(name).ok())
    }

    fn mistakes_with(&self, variable: &dyn Fn(&str) -> Option<String>) -> Vec<Mistake> {
        let mut found = Found { mistakes: Vec::new(), variable };
        if let Some(endpoint) = &self.otlp_endpoint {
            found.note("otlp_endpoint", endpoint_of(endpoint));
        }
        if self.service_name.as_deref().is_some_and(|name| name.trim().is_empty()) {
            found.note("service_name", Err("it is empty: leave it out, or say a name".to_owned()));
        }
        for (setting, filter) in [("log_filter", self.log_filter()), ("span_filter", self.span_filter())] {
            let reason = "it is no list of `target=level`, as info,workflow_core=debug";
            found.note(setting, filter.map(drop).map_err(|_| reason.to_owned()));
        }
        let times = [
            ("metrics_every_seconds", self.metrics_every_seconds),
            ("export_timeout_seconds", self.export_timeout_seconds),
        ];
        for (setting, _) in times.into_iter().filter(|(_, time)| *time == Some(0)) {
            found.note(setting, Err("it is 1 at least".to_owned()));
        }
        found.look_at(&ENDPOINTS, endpoint_of);
        found.look_at(&HEADERS, headers_of);
        found.look_at(&TIMES, time_of);
        found.look_at(&PROTOCOLS, protocol_of);
        found.look_at(&["OTEL_TRACES_SAMPLER"], sampler_of);
        found.look_at(&["OTEL_TRACES_SAMPLER_ARG"], ratio_of);
        found.mistakes
    }
}

struct Found<'a> {
    mistakes: Vec<Mistake>,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Found<'_> {
    fn note(&mut self, setting: &'static str, judged: Result<(), String>) {
        self.mistakes.extend(judged.err().map(|reason| Mistake { setting, reason }));
    }

    /// Judges those variables that are set; an empty one counts as not set, as the specification says.
    fn look_at(&mut self, names: &[&'static str], judge: impl Fn(&str) -> Result<(), String>) {
        for name in names {
            if let Some(value) = (self.variable)(name).filter(|value| !value.is_empty()) {
                self.note(name, judge(value.trim()));
            }
        }
    }
}

fn endpoint_of(text: &str) -> Result<(), String> {
    let uri: Uri = text.parse().map_err(|_| URL.to_owned())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    match uri.authority() {
        Some(place) if known && place.as_str().contains('@') => {
            Err("it must not hold a user or password: put them into OTEL_EXPORTER_OTLP_HEADERS".to_owned())
        }
        Some(_) if known => Ok(()),
        _ => Err(URL.to_owned()),
    }
}

const URL: &str = "it is no URL of the form http://collector:4317 or https://collector:4317";

fn headers_of(text: &str) -> Result<(), String> {
    for (at, pair) in text.split_terminator(',').enumerate() {
        let wrong = |what: &str| Err(format!("{what} in its entry {}: it is name=value,name=value", at + 1));
        let Some((name, value)) = pair.split_once('=') else { return wrong("there is no `=`") };
        if HeaderName::from_bytes(name.trim().to_ascii_lowercase().as_bytes()).is_err() {
            return wrong("the name of a header is not well formed");
        }
        if value.trim().is_empty() || HeaderValue::from_str(value.trim()).is_err() {
            return wrong("the value of a header is empty or has characters that no header has");
        }
    }
    Ok(())
}

fn time_of(text: &str) -> Result<(), String> {
    let time = text.parse::<u64>().ok().filter(|time| *time > 0);
    time.map(drop).ok_or_else(|| "it is no whole number of milliseconds from 1".to_owned())
}

fn protocol_of(text: &str) -> Result<(), String> {
    match text {
        "grpc" => Ok(()),
        _ => Err("only grpc is spoken: leave it out, and name the collector's port for gRPC".to_owned()),
    }
}

fn sampler_of(text: &str) -> Result<(), String> {
    match SAMPLERS.contains(&text) {
        true => Ok(()),
        false => Err(format!("there is no such sampler; there are {}", SAMPLERS.join(", "))),
    }
}

fn ratio_of(text: &str) -> Result<(), String> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.map(drop).ok_or_else(|| "it is no number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(config: &TelemetryConfig, variables: &[(&str, &str)]) -> Vec<&'static str> {
        let said = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, it)| (*it).to_owned());
        config.mistakes_with(&said).into_iter().map(|mistake| mistake.setting).collect()
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_value_with_them() {
        let config = TelemetryConfig {
            otlp_endpoint: Some("collector:4317".to_owned()),
            service_name: Some(" ".to_owned()),
            span_filter: "=what=".to_owned(),
            export_timeout_seconds: Some(0),
            ..TelemetryConfig::default()
        };
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:s3cret@collector:4317"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x,s3cret"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "often"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_TRACES_SAMPLER", "some"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ];
        let settings = ["otlp_endpoint", "service_name", "span_filter", "export_timeout_seconds"];
        let names = variables.iter().map(|(name, _)| *name);
        let wanted: Vec<&str> = settings.into_iter().chain(names).collect();
        assert_eq!(wrong(&config, &variables), wanted);
        let said = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, it)| (*it).to_owned());
        assert!(config.mistakes_with(&said).iter().all(|it| !it.to_string().contains("s3cret")));
    }

    #[test]
    fn what_the_specification_allows_is_no_mistake() {
        let config = TelemetryConfig {
            otlp_endpoint: Some("https://collector.example:4317".to_owned()),
            ..TelemetryConfig::default()
        };
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc==, x-tenant=orders"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10000"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_METRIC_EXPORT_INTERVAL", ""),
        ];
        assert_eq!(wrong(&config, &variables), [""; 0]);
    }
}
