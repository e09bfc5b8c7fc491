//! How many allocations a transition makes, counted by a program of its own.

use std::process::Command;

use anyhow::{Context, ensure};
use workflow::prelude::Memory;

use super::{Extent, threads};
use crate::load::{Engine, Keys};
use crate::report::Measured;

/// The program that counts, beside this one.
const COUNTER: &str = "count-allocations";

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let runs: u32 = extent.pick(100_000, 20_000);
    let program = std::env::current_exe().context("this program's own file")?.with_file_name(COUNTER);
    let output = Command::new(&program).arg(runs.to_string()).output();
    let output = output.with_context(|| {
        format!("cannot run {}: build it with `cargo build --release -p workflow-bench`", program.display())
    })?;
    ensure!(output.status.success(), "{COUNTER} failed: {}", String::from_utf8_lossy(&output.stderr));
    let value = String::from_utf8_lossy(&output.stdout).trim().parse().context("the counter's answer")?;
    Ok(vec![Measured::new("memory_allocations_per_transition", value, "allocations")])
}

/// Drives the load in memory; `count` tells how many allocations the process has made so far.
///
/// # Errors
/// What the engine says.
pub fn allocations_per_transition(runs: u64, count: impl Fn() -> u64) -> anyhow::Result<f64> {
    threads()?.block_on(async {
        let mut engine = Engine::start(Memory::new(), Keys::Rising).await?;
        engine.drive(runs / 10).await?;
        let before = count();
        engine.drive(runs).await?;
        let made = count() - before;
        engine.stop().await?;
        Ok(made as f64 / (runs * 4) as f64)
    })
}
