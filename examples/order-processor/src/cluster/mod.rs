//! The same orders on the full stack: workers that share them through Kafka and etcd, and a shop that only places them.

mod audit;
mod owners;
mod servers;
mod shop;
mod worker;

use std::process::ExitCode;

use clap::Subcommand;

use crate::place::Place;

pub use audit::Audit;
pub use owners::Owners;
pub use servers::Servers;
pub use shop::Shopping;

/// What one process of several does.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Work on the orders until SIGTERM, then end what is in flight; as many workers as you like share the work
    Worker {
        /// The servers.
        #[command(flatten)]
        servers: Servers,
        /// How many orders each step may have in flight at once
        #[arg(long, value_name = "N", default_value_t = 1000)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
        in_flight: u32,
    },
    /// Place orders, wait until the workers have taken them to their ends, and say what became of them
    Orders(Shopping),
}

impl Command {
    /// The database that it uses.
    pub fn database(&self) -> &Place {
        match self {
            Command::Worker { servers, .. } => &servers.database,
            Command::Orders(shopping) => &shopping.database,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// If a server cannot be used.
    pub async fn run(&self, log: bool) -> anyhow::Result<ExitCode> {
        match self {
            // Boxed: the future of everything at once is too deep for the compiler.
            Command::Worker { servers, in_flight } => {
                Box::pin(worker::run(servers, *in_flight as usize)).await
            }
            Command::Orders(shopping) => Box::pin(shopping.run(log)).await,
        }
    }
}
