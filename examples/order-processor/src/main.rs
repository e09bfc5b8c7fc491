//! Takes orders from their arrival to the customer's door, and says what became of them.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use order_processor::args::Args;
use order_processor::place::Place;
use order_processor::{failure, generate, process, progress};
use tracing_subscriber::EnvFilter;

/// The program failed.
const FAILED: u8 = 1;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = place_of(&args).dsn() {
        // What was said is not repeated: it may hold a password.
        let said = format!("--database is no connection string that can be used: {error}");
        Args::command().error(ErrorKind::ValueValidation, said).exit();
    }
    let done = main_job(&args).await;
    done.unwrap_or_else(|error| {
        progress::say(&format!("error: {}", failure::in_words(&error)));
        ExitCode::from(FAILED)
    })
}

/// Logs to the standard error.
fn log(args: &Args) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(args.log_filter()));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of the log that has gone away must not end the work.
        .log_internal_errors(false)
        .init();
}

/// The database that is to be used.
fn place_of(args: &Args) -> &Place {
    #[cfg(feature = "cluster")]
    if let Some(command) = &args.command {
        return command.database();
    }
    &args.database
}

async fn main_job(args: &Args) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "cluster")]
    if let Some(command) = &args.command {
        let config = command.telemetry(args.log_filter());
        let mistakes = config.mistakes();
        if !mistakes.is_empty() {
            let said: Vec<String> = mistakes.iter().map(|mistake| format!("\n  - {mistake}")).collect();
            let said = format!("telemetry cannot be set up:{}", said.concat());
            Args::command().error(ErrorKind::ValueValidation, said).exit();
        }
        return command.run(telemetry::init(&config)?, args.verbose > 0).await;
    }
    log(args);
    match args.generate {
        Some(orders) => generate::print(orders, args.seed).map(|()| ExitCode::SUCCESS),
        None => process::main(args).await,
    }
}
