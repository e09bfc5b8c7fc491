//! The engine's metrics, as a collector gets them and as Prometheus reads them, are those of the documentation.

use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use telemetry::{Telemetry, TelemetryConfig};
use workflow_core::Running;
use workflow_core::adapter::Backend;
use workflow_core::memory::Memory;

use crate::collector::{Collector, Measured, text_of};
use crate::documented::{assert_documented, documented, parsed};
use crate::orders::{Order, Sending, orders};

const DEADLINE: Duration = Duration::from_secs(10);

/// A workflow that has completed a run, with one failed attempt.
async fn worked(telemetry: &Telemetry) -> Running<(), Order> {
    let backend = Backend::from(Memory::new()).with_trace_link(telemetry.link());
    let running = orders(Sending::FailsOnce).run(backend).await.unwrap();
    telemetry.watch(&running);
    let run = running.trigger("order-17", ()).await.unwrap();
    running.wait_for(&run).finished().await.unwrap();
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_reads_is_what_is_documented() {
    let telemetry = Telemetry::new(&TelemetryConfig::default()).unwrap();
    let running = worked(&telemetry).await;
    running.shutdown(DEADLINE).await;
    let page = telemetry.prometheus_text().unwrap();
    let (types, _) = parsed(&page);
    assert_documented(&page, &documented());
    for name in
        ["workflow_process_latency_seconds", "workflow_role_takeovers", "workflow_commit_batch_changes"]
    {
        assert!(types.contains_key(name), "{name} is missing: {page}");
    }
    assert!(page.contains(r#"workflow_run_state_changes{current_run_state="Completed","#), "{page}");
    let failures =
        r#"workflow_process_error_count{process_name="orders-2-consumer-1-of-1",workflow_name="orders"} 1"#;
    assert!(page.contains(failures), "{page}");
}

/// The value of a metric's first point with such an attribute.
fn value_of(data: &Data, name: &str, wanted: &str) -> Option<f64> {
    let points = match data {
        Data::Gauge(gauge) => &gauge.data_points,
        Data::Sum(sum) => &sum.data_points,
        _ => return None,
    };
    let point = points.iter().find(|point| text_of(&point.attributes, name).as_deref() == Some(wanted))?;
    match point.value.as_ref()? {
        Value::AsDouble(value) => Some(*value),
        Value::AsInt(value) => Some(*value as f64),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_pushed_the_same_and_what_programs_measure_themselves() {
    let collector = Collector::start();
    let config = TelemetryConfig {
        otlp_endpoint: Some(collector.endpoint().to_owned()),
        service_name: Some("shop".to_owned()),
        // Longer than the test: what comes is what the end pushes.
        metrics_every_seconds: Some(3600),
        ..TelemetryConfig::default()
    };
    let telemetry = Telemetry::new(&config).unwrap();
    let depth = telemetry.meter("outbox-relay").f64_gauge("outbox_relay_depth_rows").build();
    depth.record(17.0, &[telemetry::opentelemetry::KeyValue::new("shard", "0")]);
    let running = worked(&telemetry).await;
    running.shutdown(DEADLINE).await;
    telemetry.shutdown(DEADLINE).await.unwrap();
    let metrics = collector.metrics_until("metrics", |metrics| !metrics.is_empty()).await;
    let data = |name: &str| {
        let found =
            metrics.iter().find(|measured| measured.metric.name == name && measured.service == "shop");
        found
            .and_then(|measured| measured.metric.data.clone())
            .unwrap_or_else(|| panic!("no {name}: {metrics:?}"))
    };
    let documented = documented();
    for Measured { metric, .. } in metrics.iter().filter(|it| it.metric.name.starts_with("workflow_")) {
        let said =
            documented.get(&metric.name).unwrap_or_else(|| panic!("{} is not documented", metric.name));
        assert_eq!(metric.unit.trim_matches(['{', '}']), said.unit, "{}", metric.name);
        assert_ne!(said.section, "Metrics of a relay", "{}", metric.name);
    }
    let errors = value_of(&data("workflow_process_error_count"), "process_name", "orders-2-consumer-1-of-1");
    assert_eq!(errors, Some(1.0));
    let started = value_of(&data("workflow_run_state_changes"), "current_run_state", "Initiated");
    assert_eq!(started, Some(1.0));
    assert_eq!(value_of(&data("outbox_relay_depth_rows"), "shard", "0"), Some(17.0));
    let Data::Histogram(latency) = data("workflow_process_latency_seconds") else { panic!("no histogram") };
    let bounds = &latency.data_points[0].explicit_bounds;
    assert_eq!(bounds, &workflow_core::LATENCY_BOUNDS_SECONDS.to_vec());
    assert!(latency.data_points.iter().map(|point| point.count).sum::<u64>() >= 2, "{latency:?}");
}
