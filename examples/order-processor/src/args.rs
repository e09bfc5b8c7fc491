//! What can be said on the command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::place::Place;

/// Takes orders through validate, pay, reserve and fulfil, durably: kill it at any moment, start it again, and it goes
/// on where it was.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = HELP, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// With what other processes work on the same orders
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    pub command: Option<crate::cluster::Command>,

    /// The orders, one JSON object a line; `-` reads standard input [default: the 1,000 orders of the sample]
    #[arg(short, long, value_name = "FILE", conflicts_with = "generate")]
    pub input: Option<PathBuf>,

    /// What keeps the runs: a SQLite file, which is made if it is not there, or a connection string as
    /// `mysql://user:password@host/database`, `mariadb://..`, `postgres://..` or `sqlite:file`
    #[arg(short, long, value_name = "DATABASE", default_value = "orders.db", conflicts_with = "generate")]
    #[arg(value_parser = OsStringValueParser::new().map(Place::from))]
    pub database: Place,

    /// Print one JSON object instead of the table
    #[arg(long, conflicts_with = "generate")]
    pub json: bool,

    /// How many orders may be under way at once
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "generate")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub in_flight: u32,

    /// Print N varied orders as JSON lines, and do nothing else
    #[arg(long, value_name = "N")]
    pub generate: Option<u64>,

    /// What the generated orders are made from: the same seed makes the same orders
    #[arg(long, value_name = "S", default_value_t = 1, requires = "generate")]
    pub seed: u64,

    /// Show the engine's log on standard error, instead of a progress bar; `-vv` shows all of it, and the SQL statements. If
    /// `RUST_LOG` is set, it decides what is shown
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

impl Args {
    /// What of the log is shown, as a filter of `tracing`.
    pub fn log_filter(&self) -> &'static str {
        match self.verbose {
            0 => "error",
            1 => "warn,workflow_core=debug",
            _ => "info,workflow_core=trace,sqlx=debug",
        }
    }
}

const HELP: &str = "\
Examples:
  order-processor                                   the sample of 1,000 orders, kept in orders.db
  order-processor --generate 50000 --seed 7 | order-processor --input - --database big.db
  order-processor --database mysql://me:secret@localhost/shop
  order-processor --input orders.jsonl --json       for programs

Exit codes:
  0  every line was an order, and every order came to an end
  1  the program failed
  2  the command line was wrong
  3  some lines were rejected; the rest came to an end
  4  some orders have not come to an end: they are paused, or it was interrupted; run it again to go on";
