//! Pushing orders through a cluster, and disturbing it meanwhile.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use super::launch::{self, program};
use super::state::{Role, State};
use super::{Database, Run, Up, process};

/// Places orders and waits for their ends; tells whether all of them came to one, with every transition once.
pub(crate) fn orders(root: &Path, run: &Run) -> anyhow::Result<bool> {
    let mut state = State::load(root);
    let is_up = state.members.iter().any(process::runs);
    if is_up {
        let differs = run.database.is_some_and(|database| Some(database) != state.database);
        anyhow::ensure!(!differs, "the cluster that runs has another database: cargo xtask cluster down");
    } else {
        let database = run.database.unwrap_or(Database::Postgres);
        let up = Up { workers: 3, relays: 2, database, debug: run.debug };
        state = match launch::up(root, &up) {
            Ok(state) => state,
            Err(error) => {
                launch::down(root)?;
                return Err(error);
            }
        };
    }
    state.placed += 1;
    state.save(root)?;
    let ended = place(root, &state, run);
    if !is_up {
        launch::down(root)?;
    }
    ended
}

fn place(root: &Path, state: &State, run: &Run) -> anyhow::Result<bool> {
    let mut command = Command::new(program(root, state, "order-processor"));
    command.arg("orders").args(["--count", &run.orders.to_string(), "--seed", &state.placed.to_string()]);
    if run.json {
        command.arg("--json");
    }
    command.envs(state.environment.iter().map(|(name, value)| (name, value)));
    let mut shop =
        command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot place orders")?;
    let said = shop.stderr.take().context("the shop says nothing")?;
    let mut disturbance =
        Disturbance { wanted: run.disturb, orders: run.orders, killed: false, added: false };
    for line in BufReader::new(said).lines() {
        let line = line?;
        eprintln!("{line}");
        disturbance.at(root, &line)?;
    }
    let ended = shop.wait()?;
    anyhow::ensure!(
        !run.disturb || disturbance.added,
        "the orders were at their end before anything was disturbed: place more of them"
    );
    // Some lines of generated orders are rejected by the workflow, none by the program; some orders are paused by intent.
    Ok(matches!(ended.code(), Some(0 | 4)))
}

/// A worker that is killed, and one that is added, when so much of the work is done.
struct Disturbance {
    wanted: bool,
    orders: u64,
    killed: bool,
    added: bool,
}

impl Disturbance {
    fn at(&mut self, root: &Path, line: &str) -> anyhow::Result<()> {
        let Some(ended) = ended_in(line).filter(|ended| self.wanted && *ended < self.orders) else {
            return Ok(());
        };
        if !self.killed && ended > 0 {
            eprintln!("{} is killed", launch::kill_worker(root, None)?);
            self.killed = true;
        } else if self.killed && !self.added {
            eprintln!("{} is added", launch::add(root, Role::Worker)?);
            self.added = true;
        }
        Ok(())
    }
}

/// How many orders a line of the shop says are at their end.
fn ended_in(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("orders at their end: ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_is_read_from_a_line() {
        assert_eq!(ended_in("orders at their end: 812 of 10000"), Some(812));
        assert_eq!(ended_in("worker-1 works on x"), None);
    }
}
