//! The load: a workflow of three steps, and a driver that keeps many runs of it in flight.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use workflow::adapter::Backend;
use workflow::prelude::*;
use workflow::{Metrics, Start};

/// How many runs are in flight at once.
pub(crate) const IN_FLIGHT: usize = 1000;

/// The workflow's name.
pub(crate) const NAME: &str = "load";

/// The object of a run, of a size that orders have.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) customer: String,
    pub(crate) article: String,
    pub(crate) pieces: u32,
    pub(crate) cents: u64,
    pub(crate) steps: u32,
}

/// The statuses; a run takes all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Status)]
pub(crate) enum Progress {
    Placed = 1,
    Paid = 2,
    Packed = 3,
    Sent = 4,
}

impl Order {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            customer: format!("customer-{number:09}"),
            article: "a box of 12 pencils, soft, with a rubber".to_owned(),
            pieces: 1 + (number % 9) as u32,
            cents: 100 + number % 9_900,
            steps: 0,
        }
    }
}

/// The business keys of the runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keys {
    /// As order numbers are: each is after the ones before, and has its place at the end of an index.
    Rising,
    /// As random ids are: each has its place anywhere in an index.
    Scattered,
}

impl Keys {
    /// The key of a run.
    pub(crate) fn of(self, number: u64) -> String {
        match self {
            Keys::Rising => format!("order-{:012}", 500_000_000 + number),
            Keys::Scattered => format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        }
    }
}

/// Told of each run whose last step has run.
pub(crate) type Ends = mpsc::UnboundedSender<()>;

async fn pay(run: &mut Run<Order, Progress>) -> Step<Progress> {
    run.object.steps += 1;
    Ok(Progress::Paid)
}

async fn pack(run: &mut Run<Order, Progress>) -> Step<Progress> {
    run.object.steps += 1;
    Ok(Progress::Packed)
}

async fn send(run: &mut Run<Order, Progress>, ends: &Ends) -> Step<Progress> {
    run.object.steps += 1;
    // Whoever drives the load may have enough already.
    let _ = ends.send(());
    Ok(Progress::Sent)
}

/// The workflow of three steps, under any name.
pub(crate) fn workflow(name: &str, ends: Ends) -> anyhow::Result<Workflow<Order, Progress>> {
    let workflow = Workflow::builder(name)
        .step(Progress::Placed, pay, [Progress::Paid])
        .step(Progress::Paid, pack, [Progress::Packed])
        .step(Progress::Packed, send, [Progress::Sent])
        .options(Options::new().in_flight(IN_FLIGHT))
        .state(ends);
    Ok(workflow.build()?)
}

/// The engine under load.
pub(crate) struct Engine {
    pub(crate) running: Running<Order, Progress>,
    ends: mpsc::UnboundedReceiver<()>,
    started: u64,
    keys: Keys,
}

impl Engine {
    pub(crate) async fn start(backend: impl Into<Backend>, keys: Keys) -> anyhow::Result<Self> {
        let (sender, ends) = mpsc::unbounded_channel();
        let running = workflow(NAME, sender)?.run(backend).await?;
        Ok(Self { running, ends, started: 0, keys })
    }

    /// Takes so many runs from their start to their end; tells how long it took.
    pub(crate) async fn drive(&mut self, runs: u64) -> anyhow::Result<Duration> {
        let (first, begun) = (self.started, Instant::now());
        let mut triggers = JoinSet::new();
        let mut ended = 0;
        let mut told = Vec::with_capacity(IN_FLIGHT);
        let end = first + runs;
        while ended < runs {
            let room = (IN_FLIGHT as u64 + ended + first - self.started).min(end - self.started);
            if room > 0 {
                triggers.spawn(trigger(self.running.client(), self.keys, self.started..self.started + room));
                self.started += room;
            }
            tokio::select! {
                count = self.ends.recv_many(&mut told, IN_FLIGHT) => ended += count as u64,
                Some(triggered) = triggers.join_next() => triggered.context("a trigger panicked")??,
            }
            told.clear();
        }
        while let Some(triggered) = triggers.join_next().await {
            triggered.context("a trigger panicked")??;
        }
        while completed(self.running.metrics()) < end {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Ok(begun.elapsed())
    }

    /// Takes so many runs to their end, one at a time; tells how long each took from its trigger to the answer that it has
    /// finished, in nanoseconds. The first `warm_up` of them are not told.
    pub(crate) async fn one_at_a_time(&self, warm_up: u64, runs: u64) -> anyhow::Result<Histogram<u64>> {
        let mut histogram = Histogram::new(3)?;
        for number in 0..warm_up + runs {
            let begun = Instant::now();
            let run = self.running.trigger(self.keys.of(number), Order::new(number)).await?;
            self.running.wait_for(&run).finished().await?;
            if number >= warm_up {
                histogram.record(u64::try_from(begun.elapsed().as_nanos())?)?;
            }
        }
        Ok(histogram)
    }

    /// Ends it; nothing of the load may have gone wrong.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let letters = self.running.dead_letters(1).await?;
        ensure!(letters.is_empty(), "an event was set aside: {letters:?}");
        self.running.shutdown(Duration::from_secs(30)).await;
        Ok(())
    }
}

async fn trigger(
    client: Client<Order, Progress>,
    keys: Keys,
    numbers: std::ops::Range<u64>,
) -> anyhow::Result<()> {
    let starts = numbers.map(|number| Start::new(keys.of(number), Order::new(number)));
    for started in client.trigger_all(starts).await? {
        started?;
    }
    Ok(())
}

fn completed(metrics: &Metrics) -> u64 {
    let samples = metrics.samples();
    let of_runs = samples.iter().filter(|sample| sample.name == "workflow_run_state_changes");
    let to_end = of_runs.filter(|sample| {
        sample.labels.iter().any(|(name, value)| *name == "current_run_state" && value == "Completed")
    });
    to_end.map(|sample| sample.value as u64).sum()
}
