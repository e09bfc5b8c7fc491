//! A worker: runs the workflow beside others until it is asked to end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use telemetry::{Health, Telemetry};
use tokio::sync::mpsc;
use workflow::Shutdown;

use super::servers::Servers;
use crate::flow::{Shop, orders};
use crate::progress::say;
use crate::{courier, stop};

/// How long what is in flight may take to end: less than Kubernetes waits before it kills.
const DRAIN: Duration = Duration::from_secs(25);

/// Something was left in flight.
const LEFT: u8 = 4;

/// What a worker is to do.
pub(super) struct Worker<'a> {
    pub(super) servers: &'a Servers,
    pub(super) in_flight: usize,
    /// Where it serves its pages, if it does.
    pub(super) metrics: Option<SocketAddr>,
}

impl Worker<'_> {
    /// Works until SIGTERM or an interrupt.
    ///
    /// # Errors
    /// If a server cannot be used, or nobody can listen where the pages are to be served.
    pub(super) async fn run(&self, telemetry: &Telemetry) -> anyhow::Result<ExitCode> {
        let health = Health::starting();
        if let Some(address) = self.metrics {
            let served = telemetry.serve(address, &health, std::future::pending()).await;
            let address = served.with_context(|| format!("cannot listen on {address}"))?;
            say(&format!("health and metrics are served on {address}"));
        }
        let connected = self.servers.connect().await?;
        let (office, calls) = mpsc::unbounded_channel();
        let shop = Shop { courier: office.clone(), receipts: Arc::new(AtomicU64::new(0)) };
        let backend = connected.backend.clone().with_trace_link(telemetry.link());
        let running = orders(shop, self.in_flight)?.run(backend).await;
        let running = running.context("cannot run the workflow")?;
        telemetry.watch(&running);
        let courier = tokio::spawn(courier::work(running.client(), calls));
        courier::call_again(&running, &office).await?;
        let name = self.servers.name.as_deref().unwrap_or("worker");
        say(&format!("{name} works on {}", connected.place));
        health.ready();
        stop::asked().await;
        health.not_ready("it is asked to end");
        say("asked to end: what is in flight ends first");
        let ended = tokio::select! {
            ended = running.shutdown(DRAIN) => ended,
            () = stop::asked() => Shutdown::DeadlinePassed,
        };
        courier.abort();
        connected.close().await;
        Ok(said(ended))
    }
}

/// Says how it ended; gives the exit status.
fn said(ended: Shutdown) -> ExitCode {
    match ended {
        Shutdown::Clean => {
            say("ended; others go on with the orders");
            ExitCode::SUCCESS
        }
        Shutdown::DeadlinePassed => {
            say("not everything in flight could be ended in time; others go on with it");
            ExitCode::from(LEFT)
        }
    }
}
