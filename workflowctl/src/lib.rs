//! The operators' command line.
//!
//! The binary only calls [`main`]; tests call the binary.

mod args;
mod commands;
mod cursor;
mod failure;
mod output;
mod progress;
mod servers;
mod settings;
mod stop;
mod times;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use commands::Answer;
use failure::Failure;
use output::Output;

/// Reads the command line, does what it asks for, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.json);
    match run(cli, &output) {
        Ok(Answer::Done) => ExitCode::SUCCESS,
        Ok(Answer::Findings) => ExitCode::from(1),
        Ok(Answer::CouldNotCheck) => ExitCode::from(2),
        // Whoever reads the output has read enough.
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start", error))?;
    runtime.block_on(commands::run(cli, output))
}
