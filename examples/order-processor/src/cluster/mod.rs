//! The same orders on the full stack: workers that share them through Kafka and etcd, and a shop that only places them.

mod audit;
mod owners;
mod servers;
mod shop;
mod telling;
mod worker;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Subcommand;
use telemetry::{Guard, TelemetryConfig};

use crate::place::Place;

pub use audit::Audit;
pub use owners::Owners;
pub use servers::Servers;
pub use shop::Shopping;
pub use telling::Telling;

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
        /// Where `/metrics`, `/livez` and `/readyz` are served, as 0.0.0.0:9401 [default: nowhere]
        #[arg(long, value_name = "ADDRESS", env = "WORKFLOW_METRICS_LISTEN")]
        metrics: Option<SocketAddr>,
        /// Who is told of it.
        #[command(flatten)]
        telling: Telling,
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

    /// What it tells of itself, and to whom.
    pub fn telemetry(&self, log_filter: &str) -> TelemetryConfig {
        match self {
            Command::Worker { telling, .. } => telling,
            Command::Orders(shopping) => &shopping.telling,
        }
        .config(log_filter)
    }

    /// Does it, and pushes what is left to tell at the end.
    ///
    /// # Errors
    /// If a server cannot be used.
    pub async fn run(&self, telemetry: Guard, log: bool) -> anyhow::Result<ExitCode> {
        // Boxed: the future of everything at once is too deep for the compiler.
        let code = match self {
            Command::Worker { servers, in_flight, metrics, .. } => {
                let worker = worker::Worker { servers, in_flight: *in_flight as usize, metrics: *metrics };
                Box::pin(worker.run(&telemetry)).await
            }
            Command::Orders(shopping) => Box::pin(shopping.run(&telemetry, log)).await,
        };
        if let Err(error) = telemetry.shutdown(telling::FLUSH).await {
            crate::progress::say(&format!("the last spans and metrics are lost: {error}"));
        }
        code
    }
}
