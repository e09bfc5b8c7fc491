//! The pages that a process serves about itself: `/metrics`, `/livez`, `/readyz`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::telemetry::Scraped;

/// Whether a process lives and is ready, as `/livez` and `/readyz` tell. Clones share it.
///
/// ```
/// use telemetry::Health;
/// let health = Health::starting();
/// assert_eq!(health.readiness(), Err("starting".to_owned()));
/// health.ready();
/// assert_eq!(health.readiness(), Ok(()));
/// ```
#[derive(Clone, Debug)]
pub struct Health(Arc<Mutex<Verdicts>>);

#[derive(Debug)]
struct Verdicts {
    live: Result<(), String>,
    ready: Result<(), String>,
}

impl Health {
    /// A process that lives and is not ready yet.
    pub fn starting() -> Self {
        Self(Arc::new(Mutex::new(Verdicts { live: Ok(()), ready: Err("starting".to_owned()) })))
    }

    /// It is ready.
    pub fn ready(&self) {
        self.lock().ready = Ok(());
    }

    /// It is not ready, and why: it drains, or something that it needs is away.
    pub fn not_ready(&self, why: impl Into<String>) {
        self.lock().ready = Err(why.into());
    }

    /// It cannot help itself and is to be started anew.
    pub fn failed(&self, why: impl Into<String>) {
        self.lock().live = Err(why.into());
    }

    /// Whether it is ready, or why not.
    ///
    /// # Errors
    /// Why it is not.
    pub fn readiness(&self) -> Result<(), String> {
        self.lock().ready.clone()
    }

    /// Whether it lives, or what it failed of.
    ///
    /// # Errors
    /// What it failed of.
    pub fn liveness(&self) -> Result<(), String> {
        self.lock().live.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Verdicts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until the end; gives the address.
pub(crate) async fn serve(
    address: SocketAddr,
    pages: Router,
    end: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let served = axum::serve(listener, pages).with_graceful_shutdown(end).await;
        if let Err(error) = served {
            tracing::error!(error = %error, "health and metrics are not served any more");
        }
    });
    Ok(address)
}

pub(crate) fn router(scraped: Scraped, health: Health) -> Router {
    let metrics = Router::new().route("/metrics", get(metrics)).with_state(scraped);
    let health = Router::new()
        .route("/livez", get(|State(health): State<Health>| async move { verdict(health.liveness()) }))
        .route("/readyz", get(|State(health): State<Health>| async move { verdict(health.readiness()) }))
        .with_state(health);
    metrics.merge(health)
}

async fn metrics(State(scraped): State<Scraped>) -> Response {
    match scraped.text() {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn verdict(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}
