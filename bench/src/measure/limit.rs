//! The engine on SQLite beside the hand-written loop.

use workflow::prelude::Sqlite;

use super::{Extent, median, one_thread, progress, threads};
use crate::commits;
use crate::limit::Limit;
use crate::load::{self, Keys};
use crate::place::Place;
use crate::report::Measured;

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let runs = extent.pick(40_000, 10_000);
    let place = Place::new()?;
    commits::count()?;
    let (mut ratios, mut limits, mut engines, mut sizes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=extent.repetitions() {
        let engine = threads()?.block_on(async {
            let backend = Sqlite::open(place.file("engine.db")).await?;
            commits::take_mean();
            load::rate(backend, Keys::Rising, runs).await
        })?;
        let size = commits::take_mean();
        let limit = one_thread()?.block_on(async {
            let mut limit = Limit::open(&place.file("limit.db")).await?;
            limit.drive(runs / 10, size as usize).await?;
            limit.drive(runs, size as usize).await
        })?;
        place.remove("engine.db");
        place.remove("limit.db");
        progress(format!(
            "round {round}: engine {engine:.0} runs/s, limit {limit:.0} runs/s, {size:.0} changes a transaction"
        ));
        ratios.push(engine / limit);
        limits.push(limit);
        engines.push(engine);
        sizes.push(size);
    }
    Ok(vec![
        Measured::new("sqlite_engine_of_limit", median(ratios), "ratio").at_least(0.6),
        Measured::new("sqlite_limit_runs_per_second", median(limits), "runs/s"),
        Measured::new("sqlite_engine_runs_per_second", median(engines), "runs/s"),
        Measured::new("sqlite_changes_per_transaction", median(sizes), "changes"),
    ])
}
