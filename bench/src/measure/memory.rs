//! The engine in memory beside that on SQLite, and what a transition costs in processor time.

use workflow::prelude::{Memory, Sqlite};

use super::{Extent, median, progress, threads};
use crate::load::{Engine, Keys};
use crate::place::Place;
use crate::process::cpu_time;
use crate::report::Measured;

/// How often a run of the load is stored: when it is triggered, and after each of its three steps.
const TRANSITIONS: u64 = 4;

/// What one load came to.
struct Rates {
    runs: f64,
    transitions_per_core: f64,
}

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let place = Place::new()?;
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    let (mut of_memory, mut of_sqlite) = (Vec::new(), Vec::new());
    for round in 1..=extent.repetitions() {
        let memory = threads()?.block_on(async {
            drive(Engine::start(Memory::new(), Keys::Rising).await?, extent.pick(200_000, 50_000)).await
        })?;
        let sqlite = threads()?.block_on(async {
            let backend = Sqlite::open(place.file("engine.db")).await?;
            drive(Engine::start(backend, Keys::Rising).await?, extent.pick(40_000, 10_000)).await
        })?;
        place.remove("engine.db");
        progress(format!(
            "round {round}: memory {:.0} runs/s, {:.0} transitions a core-second; SQLite {:.0} and {:.0}",
            memory.runs, memory.transitions_per_core, sqlite.runs, sqlite.transitions_per_core
        ));
        ratios.push(memory.runs / sqlite.runs);
        rates.push(memory.runs);
        of_memory.push(memory.transitions_per_core);
        of_sqlite.push(sqlite.transitions_per_core);
    }
    let unit = "transitions/core-s";
    Ok(vec![
        Measured::new("memory_engine_of_sqlite_engine", median(ratios), "ratio"),
        Measured::new("memory_engine_runs_per_second", median(rates), "runs/s"),
        Measured::new("memory_transitions_per_core_second", median(of_memory), unit),
        Measured::new("sqlite_transitions_per_core_second", median(of_sqlite), unit),
    ])
}

async fn drive(mut engine: Engine, runs: u64) -> anyhow::Result<Rates> {
    engine.drive(runs / 10).await?;
    let before = cpu_time();
    let rate = engine.drive(runs).await?;
    let used = cpu_time() - before;
    engine.stop().await;
    let transitions = (runs * TRANSITIONS) as f64;
    Ok(Rates { runs: rate, transitions_per_core: transitions / used.as_secs_f64() })
}
