//! The program: arguments, settings, signals, and the relay on real servers.

mod args;
mod check;
mod file;
mod http;
mod problems;
mod run;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use settings::{LogFormat, Settings};

/// It could not do its work: a server refused, or an address is taken.
const FAILED: u8 = 1;

/// The settings cannot be used.
const MISUSED: u8 = 2;

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
    log(&settings);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(async {
        match args.command {
            Some(Command::Check) => check::check(settings).await,
            None => run::run(settings).await.unwrap_or_else(|error| {
                tracing::error!("{error:#}");
                FAILED
            }),
        }
    });
    // Work under a role that was lost is not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Logs to the standard error; a subscriber that somebody has set stays.
fn log(settings: &Settings) {
    let filter = tracing_subscriber::EnvFilter::new(&settings.log);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    drop(set);
}
