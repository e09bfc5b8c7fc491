//! `cargo xtask services`: real servers for the tests, from Debian's packages and, for Kafka, from Maven.
//!
//! Servers have data folders of their own below `target/services` and free ports on loopback; the machine's own
//! instances are never touched. What runs is noted in a file there.

mod etcd;
mod jars;
mod kafka;
mod kind;
mod launch;
mod mariadb;
pub(crate) mod packages;
mod place;
mod postgres;
mod process;
mod question;
mod recipe;
mod session;
mod state;
#[cfg(test)]
#[path = "tests/topology.rs"]
mod topology;

use std::fs::{self, File};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context;
use clap::Subcommand;

pub(crate) use self::kind::Kind;
pub(crate) use self::session::Session;
use self::state::{Server, State, export_line};

/// What to do with the servers; all of them unless some are named.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Start what does not run, and wait until it answers
    Up {
        /// Which servers
        kinds: Vec<Kind>,
    },
    /// End what was started, and remove its data
    Down {
        /// Which servers
        kinds: Vec<Kind>,
    },
    /// Say what runs, and whether it answers
    Status,
    /// Print lines that give a shell the servers' addresses: eval "$(cargo xtask services env)"
    Env,
    /// End servers when the standard input ends
    #[command(hide = true)]
    Guard {
        /// Which servers
        kinds: Vec<Kind>,
    },
}

/// Carries a command out; tells whether all is well.
pub(crate) fn run(root: &Path, verb: Verb) -> anyhow::Result<bool> {
    match verb {
        Verb::Up { kinds } => {
            let Started { servers, failures } = up(root, &wanted(&or_all(kinds)))?;
            for server in servers {
                println!("{} runs on port {} as process {}", server.kind, server.port, server.pid);
            }
            failures.iter().for_each(|error| eprintln!("error: {error:#}"));
            Ok(failures.is_empty())
        }
        Verb::Down { kinds } => down(root, &or_all(kinds)).map(|()| true),
        Verb::Guard { kinds } => session::keep_guard(root, &kinds).map(|()| true),
        Verb::Status => Ok(status(root)),
        Verb::Env => env(root).map(|()| true),
    }
}

/// Prints by which variables tests find what runs.
fn env(root: &Path) -> anyhow::Result<()> {
    let servers = live(root);
    anyhow::ensure!(!servers.is_empty(), "nothing runs: cargo xtask services up");
    for server in &servers {
        println!("{}", export_line(server.kind.variable(), &server.address));
    }
    if servers.iter().any(|server| server.kind == Kind::Kafka) {
        println!("{}", export_line(jars::VARIABLE, &jars::ensure(root)?.to_string_lossy()));
    }
    Ok(())
}

/// Servers for processes that outlive this command.
pub(crate) struct Supplied {
    /// By which clients find them.
    pub(crate) addresses: Vec<(Kind, String)>,
    /// Those that did not run before.
    pub(crate) started: Vec<Kind>,
}

/// Gives the addresses of servers; those that the environment does not name are started if they do not run.
pub(crate) fn supply(root: &Path, kinds: &[Kind]) -> anyhow::Result<Supplied> {
    let before = running(root);
    let Started { servers, failures } = up(root, &wanted(kinds))?;
    if let Some(error) = failures.into_iter().next() {
        return Err(error);
    }
    let address = |kind: &Kind| {
        let server = servers.iter().find(|server| server.kind == *kind);
        let given = || std::env::var(kind.variable()).unwrap_or_default();
        (*kind, server.map_or_else(given, |server| server.address.clone()))
    };
    let started = servers.iter().map(|server| server.kind).filter(|kind| !before.contains(kind)).collect();
    Ok(Supplied { addresses: kinds.iter().map(address).collect(), started })
}

/// Ends servers and removes their data.
pub(crate) fn end(root: &Path, kinds: &[Kind]) -> anyhow::Result<()> {
    down(root, kinds)
}

fn or_all(kinds: Vec<Kind>) -> Vec<Kind> {
    if kinds.is_empty() { Kind::ALL.to_vec() } else { kinds }
}

/// Those for which the environment names no server.
fn wanted(kinds: &[Kind]) -> Vec<Kind> {
    let given = |kind: &Kind| std::env::var_os(kind.variable()).is_some_and(|url| !url.is_empty());
    kinds
        .iter()
        .copied()
        .filter(|kind| {
            if given(kind) {
                eprintln!("{kind}: the server that {} names is used", kind.variable());
            }
            !given(kind)
        })
        .collect()
}

fn live(root: &Path) -> Vec<Server> {
    let state = State::load(&state_file(root));
    state.servers.into_iter().filter(process::runs).collect()
}

/// Which servers run.
fn running(root: &Path) -> Vec<Kind> {
    live(root).into_iter().map(|server| server.kind).collect()
}

fn status(root: &Path) -> bool {
    let state = State::load(&state_file(root));
    let mut well = true;
    for kind in Kind::ALL {
        let found = state.of(kind).filter(|server| process::runs(server));
        let answers = found.is_some_and(launch::still_answers);
        well &= answers;
        match found {
            None => println!("{kind}: does not run"),
            Some(server) => println!(
                "{kind}: process {}, port {}, {}, data in {}",
                server.pid,
                server.port,
                if answers { "answers" } else { "does NOT answer" },
                server.folder.display()
            ),
        }
    }
    well
}

/// What a start came to.
struct Started {
    /// Those that run and were asked for.
    servers: Vec<Server>,
    /// Why the others do not.
    failures: Vec<anyhow::Error>,
}

/// Starts what does not run, all at the same time.
fn up(root: &Path, kinds: &[Kind]) -> anyhow::Result<Started> {
    let base = place::base(root);
    let _lock = lock(&base)?;
    let file = state_file(root);
    let mut state = State::load(&file);
    let mut started = Started { servers: Vec::new(), failures: Vec::new() };
    let mut starting = Vec::new();
    for kind in kinds.iter().copied() {
        match state.of(kind).filter(|server| process::runs(server)) {
            Some(server) if server.ready => started.servers.push(server.clone()),
            unready => {
                unready.iter().for_each(|server| process::end(server));
                state.forget(kind);
                // One after the other: there is one package manager.
                match packages::ensure(kind.needs()) {
                    Ok(()) => starting.push(kind),
                    Err(error) => started.failures.push(how_to_supply(kind, error)),
                }
            }
        }
    }
    let state = Mutex::new(state);
    let note = |server: &Server| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.put(server.clone());
        state.save(&file)
    };
    for (kind, outcome) in start_all(root, &starting, &note) {
        match outcome {
            Ok(server) => started.servers.push(server),
            Err(error) => started.failures.push(how_to_supply(kind, error)),
        }
    }
    Ok(started)
}

fn start_all(root: &Path, kinds: &[Kind], note: launch::Note<'_>) -> Vec<(Kind, anyhow::Result<Server>)> {
    thread::scope(|scope| {
        let starts: Vec<_> =
            kinds.iter().map(|kind| (*kind, scope.spawn(move || launch::start(*kind, root, note)))).collect();
        let outcome = |(kind, start): (Kind, thread::ScopedJoinHandle<'_, _>)| {
            let ended = start.join().unwrap_or_else(|_| Err(anyhow::anyhow!("its start panicked")));
            (kind, ended)
        };
        starts.into_iter().map(outcome).collect()
    })
}

/// Adds how else the server may be had.
fn how_to_supply(kind: Kind, error: anyhow::Error) -> anyhow::Error {
    error.context(format!(
        "{kind} cannot be started here; to supply a server, set {}={}",
        kind.variable(),
        kind.example()
    ))
}

/// Ends servers and removes their data.
fn down(root: &Path, kinds: &[Kind]) -> anyhow::Result<()> {
    let base = place::base(root);
    let _lock = lock(&base)?;
    let file = state_file(root);
    let mut state = State::load(&file);
    for kind in kinds {
        let Some(server) = state.of(*kind) else { continue };
        process::end(server);
        if server.folder.exists() {
            fs::remove_dir_all(&server.folder)
                .with_context(|| format!("cannot remove {}", server.folder.display()))?;
        }
        state.forget(*kind);
        state.save(&file)?;
    }
    Ok(())
}

fn state_file(root: &Path) -> std::path::PathBuf {
    place::base(root).join("state.json")
}

/// One command at a time; given back when it is dropped.
fn lock(base: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(base).with_context(|| format!("cannot make {}", base.display()))?;
    let path = base.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_be_had_tells_in_one_line_how_to_supply_it() {
        for kind in Kind::ALL {
            let said = format!("{:#}", how_to_supply(kind, anyhow::anyhow!("no java")));
            assert!(said.contains(&format!("set {}=", kind.variable())), "{said}");
            assert!(said.ends_with(": no java") && !said.contains('\n'), "{said}");
        }
    }
}
