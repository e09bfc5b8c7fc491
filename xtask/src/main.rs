//! Project tasks: `cargo xtask test`, `tidy`, `bench`, `services` and `cluster`.

mod bench;
mod cluster;
mod services;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of this project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run everything that must pass: format, tidy, lints, all tests, documentation
    Test,
    /// Start and end the database servers that tests need
    Services {
        #[command(subcommand)]
        verb: services::Verb,
    },
    /// The full stack on this machine: Kafka, etcd, a database, relays and workers, and orders pushed through them
    Cluster {
        #[command(subcommand)]
        verb: cluster::Verb,
    },
    /// Check the dependency arrows and the style budgets
    Tidy,
    /// Run a benchmark; `cargo xtask bench embedded --help` says more
    Bench {
        /// What to measure, and how
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Test => test::run(&root()),
        Task::Services { verb } => services::run(&root(), verb),
        Task::Cluster { verb } => cluster::run(&root(), verb),
        Task::Tidy => tidy::run(&root()),
        Task::Bench { args } => bench::run(&root(), &args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}
