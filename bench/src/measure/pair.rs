//! Two loads that take turns.

use std::time::Duration;

use crate::process::cpu_time;

/// How many turns each load has in a round: whatever else the machine does meanwhile slows both down.
const TURNS: u64 = 8;

/// What one load's turns of a round came to.
#[derive(Default)]
pub(super) struct Turns {
    runs: u64,
    wall: Duration,
    cpu: Duration,
}

impl Turns {
    pub(super) fn runs_per_second(&self) -> f64 {
        self.runs as f64 / self.wall.as_secs_f64()
    }

    pub(super) fn cpu_millis_per_1000_runs(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.runs as f64
    }

    fn take(&mut self, runs: u64, drive: &mut impl Drive) -> anyhow::Result<()> {
        let before = cpu_time();
        self.wall += drive.drive(runs)?;
        self.cpu += cpu_time() - before;
        self.runs += runs;
        Ok(())
    }
}

/// A load: takes so many runs to their end, and tells how long that took.
pub(super) trait Drive {
    fn drive(&mut self, runs: u64) -> anyhow::Result<Duration>;
}

impl<F: FnMut(u64) -> anyhow::Result<Duration>> Drive for F {
    fn drive(&mut self, runs: u64) -> anyhow::Result<Duration> {
        self(runs)
    }
}

/// Lets two loads do so many runs each, turn by turn, after a warm-up of one turn.
pub(super) fn alternate(
    (one_runs, mut one): (u64, impl Drive),
    (other_runs, mut other): (u64, impl Drive),
) -> anyhow::Result<(Turns, Turns)> {
    let (one_runs, other_runs) = (one_runs / TURNS, other_runs / TURNS);
    one.drive(one_runs)?;
    other.drive(other_runs)?;
    let (mut of_one, mut of_other) = (Turns::default(), Turns::default());
    for turn in 0..TURNS {
        // Each is the first as often as the other.
        if turn % 2 == 0 {
            of_one.take(one_runs, &mut one)?;
            of_other.take(other_runs, &mut other)?;
        } else {
            of_other.take(other_runs, &mut other)?;
            of_one.take(one_runs, &mut one)?;
        }
    }
    Ok((of_one, of_other))
}
