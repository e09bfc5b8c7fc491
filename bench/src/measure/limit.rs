//! The engine on SQLite beside the hand-written loop.

use std::cell::{Cell, RefCell};

use workflow::prelude::Sqlite;

use super::pair::{Turns, alternate};
use super::{Extent, median, one_thread, progress, threads};
use crate::commits;
use crate::limit::Limit;
use crate::load::{Engine, Keys};
use crate::place::Place;
use crate::report::Measured;

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let runs = extent.pick(40_000, 16_000);
    let place = Place::new()?;
    commits::count()?;
    let mut rounds = Vec::new();
    for number in 1..=extent.repetitions() {
        let round = round(&place, runs)?;
        let (engine, limit, size) = &round;
        progress(format!(
            "round {number}: engine {:.0} runs/s, limit {:.0} runs/s, {size:.0} changes a transaction",
            engine.runs_per_second(),
            limit.runs_per_second()
        ));
        rounds.push(round);
    }
    type Round = (Turns, Turns, f64);
    let of_rounds = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let ratio = of_rounds(|(engine, limit, _)| engine.runs_per_second() / limit.runs_per_second());
    let cpu = |name, value| Measured::new(name, value, "ms");
    Ok(vec![
        Measured::new("sqlite_engine_of_limit", ratio, "ratio").at_least(0.6),
        Measured::new(
            "sqlite_limit_runs_per_second",
            of_rounds(|(_, limit, _)| limit.runs_per_second()),
            "runs/s",
        ),
        Measured::new(
            "sqlite_engine_runs_per_second",
            of_rounds(|(engine, ..)| engine.runs_per_second()),
            "runs/s",
        ),
        cpu("sqlite_limit_cpu_ms_per_1000_runs", of_rounds(|(_, limit, _)| limit.cpu_millis_per_1000_runs())),
        cpu(
            "sqlite_engine_cpu_ms_per_1000_runs",
            of_rounds(|(engine, ..)| engine.cpu_millis_per_1000_runs()),
        ),
        Measured::new("sqlite_changes_per_transaction", of_rounds(|(.., size)| *size), "changes"),
    ])
}

/// The engine, the limit, and the changes of one of the engine's transactions.
fn round(place: &Place, runs: u64) -> anyhow::Result<(Turns, Turns, f64)> {
    let (threads, one_thread) = (threads()?, one_thread()?);
    let mut engine = threads.block_on(async {
        Engine::start(Sqlite::open(place.file("engine.db")).await?, Keys::Rising).await
    })?;
    let mut limit = one_thread.block_on(Limit::open(&place.file("limit.db")))?;
    // The limit's transactions are always as large as those of the engine's last turn.
    let (size, sizes) = (Cell::new(0.0), RefCell::new(Vec::new()));
    commits::take_mean();
    let drive_engine = |runs| {
        let took = threads.block_on(engine.drive(runs))?;
        let mean = commits::take_mean();
        anyhow::ensure!(
            mean >= 1.0,
            "the engine's commits were not seen: is their span called otherwise now?"
        );
        size.set(mean);
        sizes.borrow_mut().push(size.get());
        Ok(took)
    };
    let drive_limit = |runs| one_thread.block_on(limit.drive(runs, size.get() as usize));
    let (of_engine, of_limit) = alternate((runs, drive_engine), (runs, drive_limit))?;
    threads.block_on(engine.stop())?;
    place.remove("engine.db");
    place.remove("limit.db");
    Ok((of_engine, of_limit, median(sizes.into_inner())))
}
