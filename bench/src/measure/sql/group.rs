//! What it brings to store many changes in one transaction: our own path beside itself with one change at a time.

use super::runs_per_second;
use crate::load::{Engine, Keys};
use crate::measure::{Extent, median, progress, threads};
use crate::report::Measured;
use crate::sql::{Database, How, Kind, backend};

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let mut results = Vec::new();
    let mut worst = f64::INFINITY;
    for kind in Kind::ALL {
        let (mut ratios, mut rates) = (Vec::new(), Vec::new());
        for round in 1..=extent.repetitions() {
            let group = rate(kind, How::Grouped, extent.pick(20_000, 10_000))?;
            let single = rate(kind, How::Single, extent.pick(1_500, 500))?;
            progress(format!("round {round}, {}: {group:.0} runs/s, one by one {single:.0}", kind.name()));
            ratios.push(group / single);
            rates.push(single);
        }
        let ratio = median(ratios);
        worst = worst.min(ratio);
        let named = |what: &str, value, unit| Measured::new(format!("{}_{what}", kind.name()), value, unit);
        results.push(named("group_commit_of_single", ratio, "ratio"));
        results.push(named("single_runs_per_second", median(rates), "runs/s"));
    }
    results.insert(0, Measured::new("group_commit_of_single", worst, "ratio").at_least(10.0));
    Ok(results)
}

/// Runs a second, after a warm-up of a tenth.
fn rate(kind: Kind, how: How, runs: u64) -> anyhow::Result<f64> {
    threads()?.block_on(async {
        let database = Database::fresh(kind).await?;
        let (backend, _) = backend(&database, how).await?;
        let mut engine = Engine::start(backend, Keys::Rising).await?;
        engine.drive(runs / 10).await?;
        let took = engine.drive(runs).await?;
        engine.stop().await?;
        Ok(runs_per_second(runs, took))
    })
}
