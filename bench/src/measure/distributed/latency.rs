//! How long one run takes on a stack that has nothing else to do, beside the sum of its parts; and how long an event is
//! under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use workflow::prelude::*;

use crate::load::{Engine, Keys};
use crate::measure::{Extent, median, progress, threads};
use crate::report::Measured;
use crate::sql::Kind;
use crate::stack::{Connected, Floor, Stack, floor};

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let runs = extent.pick(2_000, 500);
    let mut results = Vec::new();
    let mut worst = 0f64;
    for kind in Kind::ALL {
        let (mut ratios, mut p50s, mut p99s, mut floors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 1..=extent.repetitions() {
            let histogram = threads()?.block_on(one_at_a_time(kind, runs))?;
            let floor = threads()?.block_on(parts(kind, runs / 2))?;
            let millis = |percentile| histogram.value_at_percentile(percentile) as f64 / 1e6;
            let at_least = floor.sum().as_secs_f64() * 1e3;
            progress(format!(
                "round {round}, {}: p50 {:.2} ms, p99 {:.2} ms; parts {at_least:.2} ms: {floor:?}",
                kind.name(),
                millis(50.0),
                millis(99.0)
            ));
            ratios.push(millis(50.0) / at_least);
            p50s.push(millis(50.0));
            p99s.push(millis(99.0));
            floors.push(at_least);
        }
        let named = |what: &str, value, unit| Measured::new(format!("{what}_{}", kind.name()), value, unit);
        let ratio = median(ratios);
        worst = worst.max(ratio);
        results.push(named("idle_run_of_floor", ratio, "ratio"));
        results.push(named("idle_run_p50_ms", median(p50s), "ms"));
        results.push(named("idle_run_p99_ms", median(p99s), "ms"));
        results.push(named("idle_run_floor_ms", median(floors), "ms"));
    }
    results.insert(0, Measured::new("idle_run_of_floor", worst, "ratio").at_most(2.0));
    Ok(results)
}

/// From each trigger to the answer that the run has finished, in nanoseconds.
async fn one_at_a_time(kind: Kind, runs: u64) -> anyhow::Result<Histogram<u64>> {
    let stack = Stack::fresh(kind).await?;
    let Connected { backend, scheduler } = stack.connect("worker").await?;
    let engine = Engine::start(backend, Keys::Rising).await?;
    let relay = stack.relay("relay")?;
    let histogram = engine.one_at_a_time(runs / 5, runs).await?;
    engine.stop().await?;
    scheduler.close().await;
    relay.end()?;
    Ok(histogram)
}

async fn parts(kind: Kind, runs: u64) -> anyhow::Result<Floor> {
    floor(&Stack::fresh(kind).await?, runs).await
}

#[derive(Deserialize, Serialize)]
struct Numbered {
    number: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Status)]
enum Handled {
    Waiting = 1,
    Seen = 2,
}

/// When each run's handler began.
type Begun = Arc<Mutex<Vec<Option<Instant>>>>;

async fn handle(run: &mut Run<Numbered, Handled>, begun: &Begun) -> Step<Handled> {
    let now = Instant::now();
    begun.lock().unwrap_or_else(PoisonError::into_inner)[run.object.number] = Some(now);
    Ok(Handled::Seen)
}

/// From the moment that a trigger is known to be stored until the handler of its first step begins, at a moderate rate.
pub(super) fn measure_handlers(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let (mut p50s, mut p99s) = (Vec::new(), Vec::new());
    for round in 1..=extent.repetitions() {
        let histogram = threads()?.block_on(handlers(extent.pick(20_000, 5_000)))?;
        let millis = |percentile| histogram.value_at_percentile(percentile) as f64 / 1e6;
        progress(format!("round {round}: p50 {:.2} ms, p99 {:.2} ms", millis(50.0), millis(99.0)));
        p50s.push(millis(50.0));
        p99s.push(millis(99.0));
    }
    Ok(vec![
        Measured::new("commit_to_handler_p99_ms", median(p99s), "ms"),
        Measured::new("commit_to_handler_p50_ms", median(p50s), "ms"),
    ])
}

/// Five hundred triggers a second, one by one, on PostgreSQL.
async fn handlers(runs: usize) -> anyhow::Result<Histogram<u64>> {
    const EVERY: Duration = Duration::from_millis(2);
    let stack = Stack::fresh(Kind::Postgres).await?;
    let Connected { backend, scheduler } = stack.connect("worker").await?;
    let begun: Begun = Arc::new(Mutex::new(vec![None; runs]));
    let workflow = Workflow::builder("handled")
        .step(Handled::Waiting, handle, [Handled::Seen])
        .state(Arc::clone(&begun))
        .build()?;
    let running = workflow.run(backend).await?;
    let relay = stack.relay("relay")?;
    let mut ticks = tokio::time::interval(EVERY);
    let mut triggers = Vec::with_capacity(runs);
    for number in 0..runs {
        ticks.tick().await;
        let client = running.client();
        triggers.push(tokio::spawn(async move {
            let run = client.trigger(format!("run-{number}"), Numbered { number }).await?;
            Ok::<_, workflow::Error>((run, Instant::now()))
        }));
    }
    let mut histogram = Histogram::new(3)?;
    for (number, triggered) in triggers.into_iter().enumerate() {
        let (run, stored) = triggered.await??;
        running.wait_for(&run).finished().await?;
        let began = begun.lock().unwrap_or_else(PoisonError::into_inner)[number];
        ensure!(began.is_some(), "a run has ended that no handler has seen");
        // The first ones wait for the roles.
        if let Some(began) = began.filter(|_| number >= runs / 5) {
            let waited = began.saturating_duration_since(stored);
            histogram.record(u64::try_from(waited.as_nanos())?)?;
        }
    }
    running.shutdown(Duration::from_secs(10)).await;
    scheduler.close().await;
    relay.end()?;
    Ok(histogram)
}
