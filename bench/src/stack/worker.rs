//! A worker in a process of its own.

use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use workflow::adapter::Backend;
use workflow::prelude::*;

use super::{Connected, connect};
use crate::load::{self, Order, Progress};

/// What it writes once it works.
pub(super) const READY: &str = "works";

/// How long what is in flight may take to end.
const DRAIN: Duration = Duration::from_secs(10);

/// What a worker is told.
#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    #[arg(long)]
    pub(crate) database: String,
    #[arg(long)]
    pub(crate) kafka: String,
    #[arg(long)]
    pub(crate) etcd: String,
    #[arg(long)]
    pub(crate) namespace: String,
    #[arg(long)]
    pub(crate) name: String,
    /// So many workflows that have nothing to do, instead of the load
    #[arg(long, default_value_t = 0)]
    pub(crate) idle: u32,
}

/// Works until it is asked to end.
pub(crate) async fn work(args: &WorkerArgs) -> anyhow::Result<()> {
    let mut asked = signal(SignalKind::terminate())?;
    let Connected { backend, scheduler } = connect(args).await?;
    let running = match args.idle {
        0 => vec![load::workflow(load::NAME, ends())?.run(backend).await?],
        count => idle(count, &backend).await?,
    };
    println!("{READY}");
    asked.recv().await;
    for each in running {
        each.shutdown(DRAIN).await;
    }
    scheduler.close().await;
    Ok(())
}

async fn idle(count: u32, backend: &Backend) -> anyhow::Result<Vec<Running<Order, Progress>>> {
    let mut running = Vec::new();
    for number in 1..=count {
        running.push(load::workflow(&format!("idle-{number}"), ends())?.run(backend.clone()).await?);
    }
    Ok(running)
}

/// Nobody here counts what ends.
fn ends() -> load::Ends {
    tokio::sync::mpsc::unbounded_channel().0
}
