//! The program: arguments, settings, signals, and the relay on real servers.

mod args;
mod check;
mod file;
mod problems;
mod run;
mod settings;
mod signals;
mod telemetry;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::{Args, Command};
use settings::Settings;

/// It could not do its work: a server refused, or an address is taken.
const FAILED: u8 = 1;

/// The settings cannot be used.
const MISUSED: u8 = 2;

/// How long the last spans and metrics may take to reach the collector.
const FLUSH: Duration = Duration::from_secs(5);

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let settings = match Settings::resolve(&args) {
        Ok(settings) => settings,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(MISUSED);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(main_job(args.command, settings));
    // Work under a role that was lost is not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn main_job(command: Option<Command>, settings: Settings) -> u8 {
    let telemetry = match ::telemetry::init(&settings.telemetry) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("telemetry cannot be set up: {}", crate::relay::causes(&error));
            return FAILED;
        }
    };
    let code = match command {
        Some(Command::Check) => check::check(settings).await,
        None => run::run(settings, &telemetry).await.unwrap_or_else(|error| {
            tracing::error!("{error:#}");
            FAILED
        }),
    };
    if let Err(error) = telemetry.shutdown(FLUSH).await {
        tracing::warn!(error = %error, "the last spans and metrics are lost");
    }
    code
}
