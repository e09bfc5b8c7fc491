//! The engine on the full stack beside the hand-written loop.

use std::time::Duration;

use crate::load::{Engine, Keys};
use crate::measure::pair::{Turns, alternate};
use crate::measure::{Extent, median, progress, threads};
use crate::report::Measured;
use crate::sql::Kind;
use crate::stack::{Stack, StackLimit};

/// One round of both.
struct Round {
    engine: Turns,
    limit: Turns,
    /// What the relay used while the engine ran, for each run.
    relay: f64,
}

pub(super) fn measure(kind: Kind, extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let runs = extent.pick(120_000, 48_000);
    let mut rounds = Vec::new();
    for number in 1..=extent.repetitions() {
        let each = round(kind, runs)?;
        progress(format!(
            "round {number}, {}: engine {:.0} runs/s, limit {:.0}",
            kind.name(),
            each.engine.runs_per_second(),
            each.limit.runs_per_second()
        ));
        rounds.push(each);
    }
    let of_rounds = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let named = |what: &str, value, unit| Measured::new(format!("{what}_{}", kind.name()), value, unit);
    let ratio = of_rounds(&|each| each.engine.runs_per_second() / each.limit.runs_per_second());
    Ok(vec![
        named("full_stack_of_limit", ratio, "ratio").at_least(0.5),
        named("full_stack_runs_per_second", of_rounds(&|each| each.engine.runs_per_second()), "runs/s"),
        named("full_stack_limit_runs_per_second", of_rounds(&|each| each.limit.runs_per_second()), "runs/s"),
        named(
            "full_stack_worker_cpu_ms_per_1000_runs",
            of_rounds(&|each| each.engine.cpu_millis_per_1000_runs()),
            "ms",
        ),
        named("full_stack_relay_cpu_ms_per_1000_runs", of_rounds(&|each| each.relay), "ms"),
    ])
}

/// The engine and the limit, in turns, each on a database, topics and roles of its own.
fn round(kind: Kind, runs: u64) -> anyhow::Result<Round> {
    let threads = threads()?;
    let (of_engine, of_limit) =
        threads.block_on(async { anyhow::Ok((Stack::fresh(kind).await?, Stack::fresh(kind).await?)) })?;
    let connected = threads.block_on(of_engine.connect("worker"))?;
    let mut engine = threads.block_on(Engine::start(connected.backend, Keys::Rising))?;
    let relay = of_engine.relay("relay")?;
    let mut limit = threads.block_on(StackLimit::open(&of_limit))?;
    // The first run waits for the roles of this process and of the relay.
    threads.block_on(engine.drive(100))?;
    let (mut relayed, mut driven) = (Duration::ZERO, 0);
    let drive_engine = |runs: u64| {
        let before = relay.cpu_time()?;
        let took = threads.block_on(engine.drive(runs))?;
        relayed += relay.cpu_time()? - before;
        driven += runs;
        Ok(took)
    };
    let (engine_turns, limit_turns) =
        alternate((runs, drive_engine), (runs, |runs: u64| threads.block_on(limit.drive(runs))))?;
    threads.block_on(engine.stop())?;
    threads.block_on(connected.scheduler.close());
    relay.end()?;
    Ok(Round { engine: engine_turns, limit: limit_turns, relay: relayed.as_secs_f64() * 1e6 / driven as f64 })
}
