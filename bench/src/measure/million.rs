//! The engine on a file with many finished runs beside that on an empty one.

use workflow::prelude::Sqlite;

use super::pair::alternate;
use super::{Extent, median, progress, threads};
use crate::fill;
use crate::load::{Engine, Keys};
use crate::place::Place;
use crate::report::Measured;

const FULL: &str = "full.db";
const EMPTY: &str = "empty.db";

/// Keys as order numbers are: that is what the bound is for.
pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let [ratio, full, empty] = compare(extent, Keys::Rising)?;
    Ok(vec![
        Measured::new("million_finished_of_empty", ratio, "ratio").at_least(0.9),
        Measured::new("million_finished_runs_per_second", full, "runs/s"),
        Measured::new("empty_runs_per_second", empty, "runs/s"),
    ])
}

/// Random keys: each run that is started has its place on another page of a large index. Without a bound.
pub(super) fn measure_scattered(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let [ratio, full, empty] = compare(extent, Keys::Scattered)?;
    Ok(vec![
        Measured::new("million_finished_of_empty_scattered_keys", ratio, "ratio"),
        Measured::new("million_finished_runs_per_second_scattered_keys", full, "runs/s"),
        Measured::new("empty_runs_per_second_scattered_keys", empty, "runs/s"),
    ])
}

/// The ratio, and the two rates.
fn compare(extent: Extent, keys: Keys) -> anyhow::Result<[f64; 3]> {
    let place = Place::new()?;
    let finished = extent.pick(1_000_000, 100_000);
    progress(format!("filling a file with {finished} finished runs"));
    threads()?.block_on(fill::finished_runs(&place.file(FULL), keys, finished))?;
    let runs = extent.pick(40_000, 16_000);
    let (mut ratios, mut fulls, mut empties) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=extent.repetitions() {
        let threads = threads()?;
        let start = |name: &str| {
            let file = place.file(name);
            threads.block_on(async move { Engine::start(Sqlite::open(file).await?, keys).await })
        };
        let (mut full, mut empty) = (start(FULL)?, start(EMPTY)?);
        let (of_full, of_empty) = alternate(
            (runs, |runs| threads.block_on(full.drive(runs))),
            (runs, |runs| threads.block_on(empty.drive(runs))),
        )?;
        threads.block_on(full.stop())?;
        threads.block_on(empty.stop())?;
        place.remove(EMPTY);
        let (full, empty) = (of_full.runs_per_second(), of_empty.runs_per_second());
        progress(format!("round {round}: full {full:.0} runs/s, empty {empty:.0} runs/s"));
        ratios.push(full / empty);
        fulls.push(full);
        empties.push(empty);
    }
    Ok([median(ratios), median(fulls), median(empties)])
}
