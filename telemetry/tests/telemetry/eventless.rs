//! What is done without an event goes on with the run's trace: what a timer does, and an event that was lost and is sent
//! again.

use std::time::Duration;

use store_sql::Sqlite;
use telemetry::TelemetryConfig;
use workflow_core::adapter::{Backend, Store};
use workflow_core::{Run, RunId, Step, Workflow, after};

use crate::collector::{Collector, Received};
use crate::orders::Order;
use crate::process::{Part, Process, part};

const TEST: &str = "eventless::timers_and_the_reconciler_go_on_with_the_trace_of_the_run";

const DEADLINE: Duration = Duration::from_secs(10);

async fn pay(_: &mut Run<(), Order>) -> Step<Order> {
    Ok(Order::Paid)
}

async fn too_late(_: &mut Run<(), Order>) -> Step<Order> {
    Ok(Order::Sent)
}

/// The shop triggers a run and ends; its event is lost. A worker finds the run, and its timer ends it.
#[tokio::test(flavor = "multi_thread")]
async fn timers_and_the_reconciler_go_on_with_the_trace_of_the_run() {
    if let Some(part) = part() {
        return play(&part).await;
    }
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.db");
    let start = |name: &str| {
        let (endpoint, file) = (collector.endpoint().to_owned(), file.clone());
        Process::start(TEST, &Part { name: name.to_owned(), endpoint, file })
    };
    start("shop").end().await;
    lose_events(&file).await;
    start("worker").end().await;
    let ended =
        |spans: &[Received]| spans.iter().any(|it| it.span.name == "publish" && it.has(&[("version", "3")]));
    let spans = collector.spans_until("the run's last event", ended).await;
    let the = |name: &str, attributes: &[(&str, &str)]| {
        let mut found = spans.iter().filter(|it| it.span.name == name && it.has(attributes));
        let the = found.next().unwrap_or_else(|| panic!("no {name} {attributes:?}: {spans:#?}"));
        assert!(found.next().is_none(), "two {name} {attributes:?}: {spans:#?}");
        the
    };
    let trigger = the("trigger", &[]);
    let paid = the("attempt", &[("status", "1")]);
    let timeout = the("timeout", &[("status", "2")]);
    let children = [
        (trigger, the("publish", &[("version", "1")])),
        (trigger, paid),
        (paid, the("commit", &[("version", "2")])),
        (paid, timeout),
        (timeout, the("attempt", &[("status", "2")])),
        (timeout, the("commit", &[("version", "3")])),
        (timeout, the("publish", &[("version", "3")])),
    ];
    for (parent, child) in children {
        let what = format!("{} {:?}", child.span.name, child.attribute("version"));
        assert_eq!(child.span.trace_id, trigger.span.trace_id, "{what}");
        assert_eq!(child.span.parent_span_id, parent.span.span_id, "{what}");
    }
}

/// Takes all rows out of the outbox, as if their events had been published, and then lost with their topic.
async fn lose_events(file: &std::path::Path) {
    let database = Sqlite::open(file).await.unwrap();
    let rows = database.store().outbox(None, 10).await.unwrap().rows;
    let ids: Vec<_> = rows.iter().map(|row| row.event.as_ref().unwrap().0).collect();
    assert_eq!(ids.len(), 1);
    database.store().commit(Vec::new(), ids).await.unwrap();
    assert!(database.store().outbox(None, 10).await.unwrap().rows.is_empty());
}

async fn play(part: &Part) {
    let config = TelemetryConfig { otlp_endpoint: Some(part.endpoint.clone()), ..TelemetryConfig::default() };
    let guard = telemetry::init(&config).unwrap();
    let database = Sqlite::open(&part.file).await.unwrap();
    let backend = Backend::from(database).with_trace_link(guard.link());
    let orders = Workflow::builder("orders")
        .step(Order::Placed, pay, [Order::Paid])
        .timeout(Order::Paid, after(Duration::from_millis(50)), too_late, [Order::Sent])
        .reconcile_every(Duration::from_millis(100))
        .build()
        .unwrap();
    if part.name == "shop" {
        let client = orders.connect(backend).await.unwrap();
        client.trigger("order-17", ()).await.unwrap();
    } else {
        let running = orders.run(backend).await.unwrap();
        let run: RunId = running.latest("order-17").await.unwrap().unwrap().id();
        running.wait_for(&run).finished().await.unwrap();
        running.shutdown(DEADLINE).await;
    }
    guard.shutdown(DEADLINE).await.unwrap();
}
