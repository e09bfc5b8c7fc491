//! The engine in memory beside that on SQLite, and what a transition costs in processor time.

use workflow::prelude::{Memory, Sqlite};

use super::pair::{Turns, alternate};
use super::{Extent, median, progress, threads};
use crate::load::{Engine, Keys};
use crate::place::Place;
use crate::report::Measured;

/// How often a run of the load is stored: when it is triggered, and after each of its three steps.
const TRANSITIONS: f64 = 4.0;

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let place = Place::new()?;
    let mut rounds = Vec::new();
    for number in 1..=extent.repetitions() {
        let (memory, sqlite) = round(&place, extent)?;
        progress(format!(
            "round {number}: memory {:.0} runs/s, {:.0} transitions a core-second; SQLite {:.0} and {:.0}",
            memory.runs_per_second(),
            of_core(&memory),
            sqlite.runs_per_second(),
            of_core(&sqlite)
        ));
        rounds.push((memory, sqlite));
    }
    let of_rounds = |value: fn(&(Turns, Turns)) -> f64| median(rounds.iter().map(value).collect());
    let ratio = of_rounds(|(memory, sqlite)| memory.runs_per_second() / sqlite.runs_per_second());
    let rate = of_rounds(|(memory, _)| memory.runs_per_second());
    let unit = "transitions/core-s";
    Ok(vec![
        Measured::new("memory_engine_of_sqlite_engine", ratio, "ratio"),
        Measured::new("memory_engine_runs_per_second", rate, "runs/s"),
        Measured::new("memory_transitions_per_core_second", of_rounds(|(memory, _)| of_core(memory)), unit),
        Measured::new("sqlite_transitions_per_core_second", of_rounds(|(_, sqlite)| of_core(sqlite)), unit),
    ])
}

fn round(place: &Place, extent: Extent) -> anyhow::Result<(Turns, Turns)> {
    let threads = threads()?;
    let mut memory = threads.block_on(Engine::start(Memory::new(), Keys::Rising))?;
    let mut sqlite = threads.block_on(async {
        Engine::start(Sqlite::open(place.file("engine.db")).await?, Keys::Rising).await
    })?;
    let (memory_runs, sqlite_runs) = (extent.pick(200_000, 80_000), extent.pick(40_000, 16_000));
    let both = alternate(
        (memory_runs, |runs| threads.block_on(memory.drive(runs))),
        (sqlite_runs, |runs| threads.block_on(sqlite.drive(runs))),
    )?;
    threads.block_on(memory.stop())?;
    threads.block_on(sqlite.stop())?;
    place.remove("engine.db");
    Ok(both)
}

fn of_core(turns: &Turns) -> f64 {
    TRANSITIONS * 1e6 / turns.cpu_millis_per_1000_runs()
}
