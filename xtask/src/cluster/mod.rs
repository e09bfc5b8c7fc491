//! `cargo xtask cluster`: the full stack on this machine. Kafka, etcd and a database as services, relays and workers as processes of
//! their own, and orders that are pushed through them.

mod launch;
mod process;
mod run;
mod state;

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};

use self::state::{Member, Role, State};
use crate::services;

/// What to do with the cluster.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Start Kafka, etcd, a database, relays and workers
    Up(Up),
    /// End the relays and workers, and the services that were started for them
    Down,
    /// Say what runs, and where its log is
    Status,
    /// Place orders, wait for their ends, and say what became of them and who owned which role
    Run(Run),
    /// Start one more worker
    AddWorker,
    /// Kill a worker with SIGKILL, as a crash would
    KillWorker {
        /// Which one, by its number; the first that runs if it is not said
        number: Option<u32>,
    },
}

/// What is started.
#[derive(Args, Clone, Debug)]
pub(crate) struct Up {
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) workers: u32,
    /// How many relays
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) relays: u32,
    /// What keeps the orders
    #[arg(long, value_enum, default_value_t = Database::Postgres)]
    pub(crate) database: Database,
    /// Without optimisation: it compiles faster and runs slower
    #[arg(long)]
    pub(crate) debug: bool,
}

/// What is pushed through.
#[derive(Args, Clone, Debug)]
pub(crate) struct Run {
    /// How many orders
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) orders: u64,
    /// What keeps the orders; a cluster is started for this run, and ended after it, if none runs
    #[arg(long, value_enum)]
    pub(crate) database: Option<Database>,
    /// Kill one worker and add another in the middle
    #[arg(long)]
    pub(crate) disturb: bool,
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    /// Without optimisation, if a cluster has to be started
    #[arg(long)]
    pub(crate) debug: bool,
}

/// A database of the full stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Database {
    Mariadb,
    Postgres,
}

impl Database {
    pub(crate) fn kind(self) -> services::Kind {
        match self {
            Database::Mariadb => services::Kind::Mariadb,
            Database::Postgres => services::Kind::Postgres,
        }
    }
}

/// Carries a command out; tells whether all is well.
pub(crate) fn run(root: &Path, verb: Verb) -> anyhow::Result<bool> {
    match verb {
        Verb::Up(up) => launch::up(root, &up).map(|state| print(&state)),
        Verb::Down => launch::down(root).map(|()| true),
        Verb::Status => Ok(print(&State::load(root))),
        Verb::Run(run) => run::orders(root, &run),
        Verb::AddWorker => {
            let member = launch::add(root, Role::Worker)?;
            println!("{member}");
            Ok(true)
        }
        Verb::KillWorker { number } => {
            let member = launch::kill_worker(root, number)?;
            println!("{member} was killed");
            Ok(true)
        }
    }
}

/// Prints what runs; tells whether everything does that should.
fn print(state: &State) -> bool {
    if state.members.is_empty() {
        println!("no cluster runs: cargo xtask cluster up");
    }
    for member in &state.members {
        let standing = if process::runs(member) { "runs" } else { "has ENDED" };
        println!("{member} {standing}");
    }
    state.members.iter().all(process::runs)
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {}, log in {})", self.name(), self.pid, self.log.display())
    }
}
