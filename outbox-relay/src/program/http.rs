//! What orchestrators and Prometheus ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::RelayMetrics;

/// What the answers come from.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) metrics: RelayMetrics,
    /// Whether the servers were reached and it is not being stopped.
    pub(crate) ready: Arc<AtomicBool>,
}

/// Serves until it is ended; gives the address.
pub(crate) async fn serve(
    address: SocketAddr,
    health: Health,
    end: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(error = %error, "health and metrics are not served any more");
        }
    });
    Ok(address)
}

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    match health.ready.load(Ordering::Acquire) {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}

async fn metrics(State(health): State<Health>) -> ([(&'static str, &'static str); 1], String) {
    ([("content-type", "text/plain; version=0.0.4")], health.metrics.text())
}
