//! A collector that is away costs its telemetry, and nothing else.

use std::time::{Duration, Instant};

use telemetry::{Error, TelemetryConfig};
use workflow_core::adapter::Backend;
use workflow_core::memory::Memory;

use crate::orders::{Sending, orders};
use crate::process::{Part, Process, part};

const TEST: &str = "away::a_collector_that_is_away_is_told_of_once_and_holds_nothing_up";

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_told_of_once_and_holds_nothing_up() {
    if let Some(part) = part() {
        return work_without_a_collector(&part).await;
    }
    // A port that nobody listens on, since this was its only listener.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut process = Process::start(TEST, &Part { name: "alone".into(), endpoint, file: "".into() });
    assert_eq!(process.line("completed ").await, "100");
    let log = process.end().await;
    let told = log.matches("the collector does not take telemetry").count();
    assert_eq!(told, 1, "{log}");
}

async fn work_without_a_collector(part: &Part) {
    let config = TelemetryConfig {
        otlp_endpoint: Some(part.endpoint.clone()),
        export_timeout_seconds: Some(1),
        ..TelemetryConfig::default()
    };
    let guard = telemetry::init(&config).unwrap();
    let backend = Backend::from(Memory::new()).with_trace_link(guard.link());
    let running = orders(Sending::FailsOnce).run(backend).await.unwrap();
    guard.watch(&running);
    let mut completed = 0;
    for number in 0..100 {
        let run = running.trigger(format!("order-{number}"), ()).await.unwrap();
        completed += u32::from(running.wait_for(&run).finished().await.unwrap().run_state().is_finished());
    }
    println!("completed {completed}");
    running.shutdown(Duration::from_secs(10)).await;
    let (begun, deadline) = (Instant::now(), Duration::from_secs(5));
    let ended = guard.shutdown(deadline).await;
    assert!(matches!(ended, Err(Error::NotFlushed { .. })), "{ended:?}");
    assert!(begun.elapsed() < deadline + Duration::from_secs(1), "it is bounded");
}
