//! `cargo xtask services`: real database servers for the tests, from Debian's packages.
//!
//! Servers have data folders of their own below `target/services` and free ports on loopback; the machine's own
//! instances are never touched. What runs is noted in a file there.

mod kind;
mod launch;
mod mariadb;
mod packages;
mod place;
mod postgres;
mod process;
mod session;
mod state;

use std::fs::{self, File};
use std::path::Path;

use anyhow::Context;
use clap::Subcommand;

use self::kind::Kind;
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
            for server in up(root, &wanted(&or_all(kinds)))? {
                println!("{} runs on port {} as process {}", server.kind, server.port, server.pid);
            }
            Ok(true)
        }
        Verb::Down { kinds } => down(root, &or_all(kinds)).map(|()| true),
        Verb::Guard { kinds } => session::keep_guard(root, &kinds).map(|()| true),
        Verb::Status => Ok(status(root)),
        Verb::Env => {
            let servers = live(root);
            servers.iter().for_each(|server| println!("{}", export_line(server)));
            anyhow::ensure!(!servers.is_empty(), "nothing runs: cargo xtask services up");
            Ok(true)
        }
    }
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

/// Starts what does not run; gives all that run and were asked for.
fn up(root: &Path, kinds: &[Kind]) -> anyhow::Result<Vec<Server>> {
    let base = place::base(root);
    let _lock = lock(&base)?;
    let file = state_file(root);
    let mut state = State::load(&file);
    let mut servers = Vec::new();
    for kind in kinds {
        let known = state.of(*kind).filter(|server| process::runs(server)).cloned();
        if let Some(server) = known {
            if server.ready {
                servers.push(server);
                continue;
            }
            process::end(&server);
        }
        let mut note = |server: &Server| {
            state.put(server.clone());
            state.save(&file)
        };
        servers.push(launch::start(*kind, &base, &mut note)?);
    }
    Ok(servers)
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
