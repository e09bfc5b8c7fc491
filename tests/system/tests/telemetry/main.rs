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

use collector::{Collector, Received};
use stack::Stack;
use workflow_system_tests::ground::Kind;

/// After so many orders, their steps are made by several workers.
const ORDERS_MAX: usize = 20;

async fn one_order_is_one_trace(kind: Kind) {
    let collector = Collector::start();
    let mut stack = Stack::start(kind, &collector).await;
    // Roles may still change hands among the workers, so that one of them had all steps of an order.
    let mut workers = 0;
    for number in 0..ORDERS_MAX {
        stack.spread().await;
        let order = stack.order(number).await;
        let ended = |spans: &[Received]| trace::has_ended(spans, &order);
        let spans = collector.spans_until("all spans of the order", ended).await;
        workers = trace::assert_trace(&spans, &order).len();
        if workers > 1 {
            break;
        }
    }
    assert!(workers > 1, "one worker made all steps of {ORDERS_MAX} orders");
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
