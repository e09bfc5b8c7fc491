//! Goal: what the processes of the full stack tell of themselves fits together. Method: the real relay and the real workers, each in
//! a process of its own, on real servers; the test is the collector, and reads the pages as Prometheus does.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

#[path = "../../../../telemetry/tests/telemetry/collector.rs"]
mod collector;
#[path = "../../../../telemetry/tests/telemetry/documented.rs"]
mod documented;
mod metrics;
mod stack;
mod trace;

use collector::Collector;
use stack::Stack;
use workflow_system_tests::ground::Kind;

async fn one_order_is_one_trace(kind: Kind) {
    let collector = Collector::start();
    let mut stack = Stack::start(kind, &collector).await;
    let owners = stack.spread_over_workers().await;
    let run = stack.order("RARE-PUERH").await;
    let spans = collector.spans_until("the run's last event", |spans| trace::has_ended(spans, &run)).await;
    trace::assert_trace(&spans, &run, &owners);
    metrics::assert_metrics(&collector, &stack).await;
    stack.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_is_one_trace_over_all_processes_on_postgres() {
    one_order_is_one_trace(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_is_one_trace_over_all_processes_on_mariadb() {
    one_order_is_one_trace(Kind::MariaDb).await;
}
