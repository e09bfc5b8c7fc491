//! One run is one trace, over all the processes that work on it.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use store_sql::Sqlite;
use telemetry::TelemetryConfig;
use workflow_core::RunId;
use workflow_core::adapter::Backend;

use crate::collector::{Collector, Received};
use crate::orders::{Sending, orders};
use crate::process::{Part, Process, part};

const TEST: &str = "trace::one_run_is_one_trace_over_three_processes";

const DEADLINE: Duration = Duration::from_secs(10);

/// A process triggers and ends; a second one makes the first step and is killed in the middle of the next; a third one
/// finds the event in the outbox, fails once and completes the run. The only way from one to the next is the database.
#[tokio::test(flavor = "multi_thread")]
async fn one_run_is_one_trace_over_three_processes() {
    if let Some(part) = part() {
        return play(&part).await;
    }
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let (endpoint, file) = (collector.endpoint().to_owned(), folder.path().join("orders.db"));
        Process::start(TEST, &Part { name: name.to_owned(), endpoint, file })
    };
    let mut first = start("shop");
    let run_id = first.line("run ").await;
    first.end().await;
    let second = start("worker-1");
    let paid = [("run_id", &*run_id), ("version", "1")];
    let of_first_step =
        |spans: &[Received]| spans.iter().any(|it| it.span.name == "attempt" && it.has(&paid));
    let of_second_event = |spans: &[Received]| published(spans, "2");
    collector.spans_until("the first step", |it| of_first_step(it) && of_second_event(it)).await;
    second.kill().await;
    start("worker-2").end().await;
    let spans = collector.spans_until("the run's last event", |spans| published(spans, "3")).await;
    assert_trace(&spans, &run_id);
}

fn published(spans: &[Received], version: &str) -> bool {
    spans.iter().any(|it| it.span.name == "publish" && it.has(&[("version", version)]))
}

async fn play(part: &Part) {
    let config = TelemetryConfig { otlp_endpoint: Some(part.endpoint.clone()), ..TelemetryConfig::default() };
    let guard = telemetry::init(&config).unwrap();
    let database = Sqlite::open(&part.file).await.unwrap();
    let backend = Backend::from(database).with_trace_link(guard.link());
    match &*part.name {
        "shop" => {
            let client = orders(Sending::FailsOnce).connect(backend).await.unwrap();
            println!("run {}", client.trigger("order-17", ()).await.unwrap());
        }
        "worker-1" => {
            let _running = orders(Sending::Hangs).run(backend).await.unwrap();
            // Until it is killed.
            std::future::pending::<()>().await;
        }
        _ => {
            let running = orders(Sending::FailsOnce).run(backend).await.unwrap();
            let run = running.latest("order-17").await.unwrap().unwrap();
            let run_id: RunId = run.id();
            running.wait_for(&run_id).finished().await.unwrap();
            running.shutdown(DEADLINE).await;
        }
    }
    guard.shutdown(DEADLINE).await.unwrap();
}

/// The one span of a service with this name and these attributes.
fn the<'a>(spans: &'a [Received], service: &str, name: &str, attributes: &[(&str, &str)]) -> &'a Received {
    let mut found =
        spans.iter().filter(|it| it.service == service && it.span.name == name && it.has(attributes));
    let the = found.next().unwrap_or_else(|| panic!("no {name} {attributes:?} of {service}: {spans:#?}"));
    assert!(found.next().is_none(), "two {name} {attributes:?} of {service}");
    the
}

fn assert_trace(spans: &[Received], run_id: &str) {
    let trigger = the(spans, "shop", "trigger", &[("status", "1"), ("foreign_id", "order-17")]);
    assert!(trigger.span.parent_span_id.is_empty(), "nothing was before the trigger");
    let pay = the(spans, "worker-1", "attempt", &[("status", "1"), ("version", "1"), ("attempt", "1")]);
    let ok = StatusCode::Unset as i32;
    let of_send = |failed: bool| {
        let code = |it: &Received| it.span.status.as_ref().map_or(ok, |status| status.code);
        let wanted = move |it: &&Received| {
            it.span.name == "attempt" && it.has(&[("version", "2")]) && (code(it) != ok) == failed
        };
        let mut found = spans.iter().filter(wanted);
        let one = found.next().unwrap_or_else(|| panic!("no attempt, failed: {failed}: {spans:#?}"));
        assert!(found.next().is_none());
        one
    };
    let (failed, sent) = (of_send(true), of_send(false));
    let children = [
        (trigger, the(spans, "shop", "commit", &[("version", "1")])),
        (trigger, the(spans, "worker-1", "publish", &[("version", "1"), ("topic", "orders-1")])),
        (trigger, pay),
        (pay, the(spans, "worker-1", "commit", &[("version", "2"), ("status", "2")])),
        (pay, the(spans, "worker-1", "publish", &[("version", "2"), ("topic", "orders-2")])),
        (pay, the(spans, "worker-2", "publish", &[("version", "2"), ("topic", "orders-2")])),
        (pay, failed),
        (pay, sent),
        (sent, the(spans, "worker-2", "commit", &[("version", "3"), ("status", "3")])),
        (sent, the(spans, "worker-2", "publish", &[("version", "3")])),
    ];
    for (parent, child) in children {
        let what = format!("{} of {}", child.span.name, child.service);
        assert_eq!(child.span.trace_id, trigger.span.trace_id, "{what}");
        assert_eq!(child.span.parent_span_id, parent.span.span_id, "{what}");
        assert!(child.has(&[("workflow_name", "orders"), ("run_id", run_id)]), "{what}: {child:?}");
    }
    for (span, kind) in [(pay, SpanKind::Consumer), (children[1].1, SpanKind::Producer)] {
        assert_eq!(span.span.kind, kind as i32);
    }
    let error = failed.span.events.iter().find(|event| event.name == "attempt failed").unwrap();
    assert!(format!("{:?}", error.attributes).contains("the courier is late"), "{error:?}");
    assert!(sent.span.events.iter().all(|event| event.name != "attempt failed"));
}
