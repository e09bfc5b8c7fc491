//! How much memory a run takes that waits for a callback and a timer.

use std::convert::Infallible;
use std::time::Duration;

use workflow::adapter::Backend;
use workflow::prelude::*;
use workflow::{Next, Start};

use super::{progress, threads};
use crate::load::{Keys, Order, Progress};
use crate::place::Place;
use crate::process;
use crate::report::Measured;

/// How many runs wait, in quick calls too: with fewer, the page cache would be most of what is measured.
const RUNS: u64 = 100_000;

/// How many runs one call triggers.
const SLICE: u64 = 1000;

async fn called(_: &mut Run<Order, Progress>, _: Payload) -> Result<Next<Progress>, Infallible> {
    Ok(Next::GoTo(Progress::Paid))
}

async fn give_up(_: &mut Run<Order, Progress>) -> Step<Progress> {
    Ok(Progress::Sent)
}

pub(super) fn measure_sqlite() -> anyhow::Result<Vec<Measured>> {
    let place = Place::new()?;
    let bytes = threads()?.block_on(async {
        let backend = Sqlite::open(place.file("engine.db")).await?;
        bytes_per_run(backend.into()).await
    })?;
    Ok(vec![Measured::new("bytes_per_waiting_run_sqlite", bytes, "bytes").at_most(1024.0)])
}

pub(super) fn measure_memory() -> anyhow::Result<Vec<Measured>> {
    let bytes = threads()?.block_on(bytes_per_run(Memory::new().into()))?;
    Ok(vec![Measured::new("bytes_per_waiting_run_memory", bytes, "bytes")])
}

async fn bytes_per_run(backend: Backend) -> anyhow::Result<f64> {
    let workflow = Workflow::builder("waiting")
        .callback(Progress::Placed, called, [Progress::Paid, Progress::Packed])
        .timeout(Progress::Placed, after(Duration::from_secs(48 * 3600)), give_up, [Progress::Sent])
        .build()?;
    let running = workflow.run(backend).await?;
    process::at_rest().await;
    let before = process::resident_bytes()?;
    for first in (0..RUNS).step_by(SLICE as usize) {
        let starts =
            (first..first + SLICE).map(|number| Start::new(Keys::Rising.of(number), Order::new(number)));
        for started in running.trigger_all(starts).await? {
            started?;
        }
    }
    process::at_rest().await;
    let grown = process::resident_bytes()?.saturating_sub(before);
    progress(format!("{RUNS} waiting runs: {} KiB more", grown / 1024));
    running.shutdown(Duration::from_secs(30)).await;
    Ok(grown as f64 / RUNS as f64)
}
