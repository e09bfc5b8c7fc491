//! The pages that a process serves about itself.

use telemetry::{Health, Telemetry, TelemetryConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The answer to a request, as it comes over the wire.
async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn pages_tell_of_metrics_and_health() {
    let telemetry = Telemetry::new(&TelemetryConfig::default()).unwrap();
    let health = Health::starting();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = telemetry.router(&health);
    let serving = tokio::spawn(async move { axum::serve(listener, pages).await });

    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    let starting = get(address, "/readyz").await;
    assert!(starting.starts_with("HTTP/1.1 503") && starting.ends_with("starting\n"), "{starting}");
    health.ready();
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    health.failed("the runtime is stuck");
    assert!(get(address, "/livez").await.contains("the runtime is stuck"));
    let metrics = get(address, "/metrics").await;
    assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.contains("\nworkflow_commit_failures 0\n"), "{metrics}");
    serving.abort();
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_by_their_names() {
    let config = TelemetryConfig { span_filter: "info,=what=".to_owned(), ..TelemetryConfig::default() };
    let refused = Telemetry::new(&config).unwrap_err().to_string();
    assert!(refused.contains("span_filter"), "{refused}");
    let config =
        TelemetryConfig { otlp_endpoint: Some("no url at all".to_owned()), ..TelemetryConfig::default() };
    let refused = Telemetry::new(&config).unwrap_err().to_string();
    assert!(refused.contains("otlp_endpoint"), "{refused}");
}
