//! How long one run takes on an engine that has nothing else to do.

use hdrhistogram::Histogram;
use workflow::adapter::Backend;
use workflow::prelude::{Memory, Sqlite};

use super::{Extent, progress, threads};
use crate::load::{Engine, Keys};
use crate::place::Place;
use crate::report::Measured;

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let place = Place::new()?;
    let runs = extent.pick(5_000, 1_000);
    let memory = threads()?.block_on(latencies(Memory::new().into(), runs))?;
    let sqlite = threads()?.block_on(async {
        let backend = Sqlite::open(place.file("engine.db")).await?;
        latencies(backend.into(), runs).await
    })?;
    let mut results = Vec::new();
    for (name, histogram) in [("memory", memory), ("sqlite", sqlite)] {
        for percentile in [50, 99] {
            let nanos = histogram.value_at_percentile(f64::from(percentile));
            let name = format!("idle_run_latency_{name}_p{percentile}_ms");
            results.push(Measured::new(name, nanos as f64 / 1e6, "ms"));
        }
    }
    Ok(results)
}

/// From each trigger to the answer that the run has finished, in nanoseconds.
async fn latencies(backend: Backend, runs: u64) -> anyhow::Result<Histogram<u64>> {
    let engine = Engine::start(backend, Keys::Rising).await?;
    let histogram = engine.one_at_a_time(runs / 10, runs).await?;
    progress(format!("{runs} runs, one at a time"));
    engine.stop().await?;
    Ok(histogram)
}
