//! The engine on a server beside the hand-written loop.

use std::cell::RefCell;

use crate::load::{Engine, Keys};
use crate::measure::pair::{Turns, alternate};
use crate::measure::{Extent, median, progress, threads};
use crate::report::Measured;
use crate::sql::{Database, How, Kind, Limit, backend};

/// One side of a round.
struct Side {
    turns: Turns,
    changes: f64,
}

pub(super) fn measure(kind: Kind, extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let runs = extent.pick(40_000, 16_000);
    let mut rounds = Vec::new();
    for number in 1..=extent.repetitions() {
        let (engine, limit) = round(kind, runs)?;
        progress(format!(
            "round {number}: engine {:.0} runs/s and {:.0} changes a transaction, limit {:.0} and {:.0}",
            engine.turns.runs_per_second(),
            engine.changes,
            limit.turns.runs_per_second(),
            limit.changes
        ));
        rounds.push((engine, limit));
    }
    Ok(results(kind, &rounds))
}

fn results(kind: Kind, rounds: &[(Side, Side)]) -> Vec<Measured> {
    let of_rounds = |value: &dyn Fn(&(Side, Side)) -> f64| median(rounds.iter().map(value).collect());
    let named = |what: &str, value, unit| Measured::new(format!("{}_{what}", kind.name()), value, unit);
    let rate = |side: &Side| side.turns.runs_per_second();
    let cpu = |side: &Side| side.turns.cpu_millis_per_1000_runs();
    let ratio = of_rounds(&|(engine, limit)| rate(engine) / rate(limit));
    vec![
        named("engine_of_limit", ratio, "ratio").at_least(0.6),
        named("limit_runs_per_second", of_rounds(&|(_, limit)| rate(limit)), "runs/s"),
        named("engine_runs_per_second", of_rounds(&|(engine, _)| rate(engine)), "runs/s"),
        named("limit_cpu_ms_per_1000_runs", of_rounds(&|(_, limit)| cpu(limit)), "ms"),
        named("engine_cpu_ms_per_1000_runs", of_rounds(&|(engine, _)| cpu(engine)), "ms"),
        named("limit_changes_per_transaction", of_rounds(&|(_, limit)| limit.changes), "changes"),
        named("engine_changes_per_transaction", of_rounds(&|(engine, _)| engine.changes), "changes"),
    ]
}

/// The engine and the limit, in turns, each on a database of its own.
fn round(kind: Kind, runs: u64) -> anyhow::Result<(Side, Side)> {
    let threads = threads()?;
    let (of_engine, of_limit) = threads
        .block_on(async { anyhow::Ok((Database::fresh(kind).await?, Database::fresh(kind).await?)) })?;
    let (backend, sizes) = threads.block_on(backend(&of_engine, How::Grouped))?;
    let mut engine = threads.block_on(Engine::start(backend, Keys::Rising))?;
    let mut limit = threads.block_on(Limit::open(&of_limit))?;
    let (engine_sizes, limit_sizes) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let drive_engine = |runs| {
        let took = threads.block_on(engine.drive(runs))?;
        engine_sizes.borrow_mut().push(median(sizes.take()));
        Ok(took)
    };
    let drive_limit = |runs| {
        let took = threads.block_on(limit.drive(runs))?;
        limit_sizes.borrow_mut().push(median(limit.sizes()));
        Ok(took)
    };
    let (engine_turns, limit_turns) = alternate((runs, drive_engine), (runs, drive_limit))?;
    threads.block_on(engine.stop())?;
    Ok((
        Side { turns: engine_turns, changes: median(engine_sizes.into_inner()) },
        Side { turns: limit_turns, changes: median(limit_sizes.into_inner()) },
    ))
}
