//! Random operations and random faults, from a seed: whatever happens, the invariants hold and everything ends.
//!
//! Each seed plays some runs of one workflow on the store in memory, by a clock that is skipped, on one thread. A
//! failure names its seed; `WORKFLOW_SIMULATION_SEED=17 cargo test -p workflow-core --all-features --test simulation`
//! plays it alone, and `WORKFLOW_SIMULATION_SEEDS=5000` plays more.
#![allow(missing_docs, clippy::unwrap_used)]
#![cfg(feature = "testing")]

#[path = "simulation/player.rs"]
mod player;

use std::panic::AssertUnwindSafe;

use player::Player;

/// How many seeds are played if nothing else is said.
const SEEDS: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a seed is a number"))
}

fn play(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Player::new(seed).play().await });
}

#[test]
fn whatever_happens_the_invariants_hold() {
    if let Some(seed) = number("WORKFLOW_SIMULATION_SEED") {
        return play(seed);
    }
    for seed in 0..number("WORKFLOW_SIMULATION_SEEDS").unwrap_or(SEEDS) {
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| play(seed))) {
            eprintln!("seed {seed} failed; play it alone with WORKFLOW_SIMULATION_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
