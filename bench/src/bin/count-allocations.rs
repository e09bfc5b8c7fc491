//! Counts what a load on the engine in memory allocates. It is a program of its own because counting slows every
//! allocation down.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> anyhow::Result<()> {
    let runs = std::env::args().nth(1).map_or(Ok(20_000), |runs| runs.parse())?;
    let count = || {
        let stats = ALLOCATOR.stats();
        (stats.allocations + stats.reallocations) as u64
    };
    println!("{}", workflow_bench::allocations_per_transition(runs, count)?);
    Ok(())
}
