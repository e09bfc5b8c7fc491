//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::stack::WorkerArgs;

/// Benchmarks of the workflow engine.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The engine in one process: on SQLite and in memory
    Embedded(Choice),
    /// The engine on PostgreSQL and MariaDB: servers are named by WORKFLOW_POSTGRES_URL and WORKFLOW_MARIADB_URL
    Sql {
        #[command(flatten)]
        choice: Choice,
        /// How many records `ten_million` fills the tables with, instead of 10,000,000 (with --quick: 1,000,000)
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(200_000..=1_000_000_000))]
        rows: Option<u64>,
    },
    /// The full stack: relays and workers in processes of their own; servers are named by WORKFLOW_POSTGRES_URL,
    /// WORKFLOW_MARIADB_URL, WORKFLOW_KAFKA_BROKERS and WORKFLOW_ETCD_ENDPOINTS
    Distributed(Choice),
    /// A worker of a measurement
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// One measurement, in this process; its results go to standard output as JSON
    #[command(hide = true)]
    Measure {
        /// The first result's name
        name: String,
        #[arg(long)]
        quick: bool,
        #[arg(long)]
        rows: Option<u64>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Choice {
    /// Smaller loads and fewer repetitions: a few minutes instead of a quarter of an hour
    #[arg(long)]
    pub(crate) quick: bool,

    /// Write the results to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Only the measurements that give a result whose name contains this
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Option<String>,
}
