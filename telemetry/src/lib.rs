//! Spans and metrics, to OpenTelemetry and Prometheus.
