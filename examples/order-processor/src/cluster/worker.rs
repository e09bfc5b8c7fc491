//! A worker: runs the workflow beside others until it is asked to end.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
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

/// Works until SIGTERM or an interrupt.
///
/// # Errors
/// If a server cannot be used.
pub(super) async fn run(servers: &Servers, in_flight: usize) -> anyhow::Result<ExitCode> {
    let connected = servers.connect().await?;
    let (office, calls) = mpsc::unbounded_channel();
    let shop = Shop { courier: office.clone(), receipts: Arc::new(AtomicU64::new(0)) };
    let running = orders(shop, in_flight)?.run(connected.backend.clone()).await;
    let running = running.context("cannot run the workflow")?;
    let courier = tokio::spawn(courier::work(running.client(), calls));
    courier::call_again(&running, &office).await?;
    let name = servers.name.as_deref().unwrap_or("worker");
    say(&format!("{name} works on {}", connected.place));
    stop::asked().await;
    say("asked to end: what is in flight ends first");
    let ended = tokio::select! {
        ended = running.shutdown(DRAIN) => ended,
        () = stop::asked() => Shutdown::DeadlinePassed,
    };
    courier.abort();
    connected.close().await;
    Ok(match ended {
        Shutdown::Clean => {
            say("ended; others go on with the orders");
            ExitCode::SUCCESS
        }
        Shutdown::DeadlinePassed => {
            say("not everything in flight could be ended in time; others go on with it");
            ExitCode::from(LEFT)
        }
    })
}
