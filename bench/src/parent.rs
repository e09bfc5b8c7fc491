//! The program: each measurement in a process of its own, then the report.

use std::process::{Command as Program, ExitCode, Stdio};

use anyhow::{Context, ensure};
use clap::Parser;

use crate::args::{Args, Choice, Command};
use crate::measure::{DISTRIBUTED, EMBEDDED, Extent, SQL, Size, measure, threads};
use crate::report::{Measured, Report};
use crate::stack;

/// Does what the command line says; fails the process if a bound was missed.
///
/// # Errors
/// If a measurement cannot be made, or the report cannot be written.
pub fn run() -> anyhow::Result<ExitCode> {
    match Args::parse().command {
        Command::Embedded(choice) => report(&EMBEDDED, &choice, None),
        Command::Sql { choice, rows } => report(&SQL, &choice, rows),
        Command::Distributed(choice) => report(&DISTRIBUTED, &choice, None),
        Command::Worker(args) => {
            threads()?.block_on(stack::work(&args))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Measure { name, quick, rows } => {
            let extent = if quick { Extent::Quick } else { Extent::Full };
            let results = measure(&name, Size { extent, rows })?;
            println!("{}", serde_json::to_string(&results)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn report(catalogue: &[&[&str]], choice: &Choice, rows: Option<u64>) -> anyhow::Result<ExitCode> {
    let only = choice.only.as_deref().unwrap_or_default();
    let wanted = catalogue.iter().filter(|results| results.iter().any(|name| name.contains(only)));
    let wanted: Vec<&str> = wanted.filter_map(|names| names.first().copied()).collect();
    ensure!(!wanted.is_empty(), "no result's name contains {only:?}");
    let mut report = Report::default();
    for (at, name) in wanted.iter().enumerate() {
        eprintln!("[{}/{}] {name}", at + 1, wanted.len());
        let results =
            in_own_process(name, choice.quick, rows).with_context(|| format!("measurement {name}"))?;
        report.results.extend(results);
    }
    print!("{}", report.table());
    if let Some(file) = &choice.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, json + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed: Vec<&str> = report.missed().map(|each| each.name.as_str()).collect();
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("missed: {}", missed.join(", "));
    Ok(ExitCode::FAILURE)
}

fn in_own_process(name: &str, quick: bool, rows: Option<u64>) -> anyhow::Result<Vec<Measured>> {
    let program = std::env::current_exe().context("this program's own file")?;
    let mut command = Program::new(program);
    command.args(["measure", name]).args(quick.then_some("--quick"));
    if let Some(rows) = rows {
        command.args(["--rows", &rows.to_string()]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("cannot run this program again")?;
    ensure!(output.status.success(), "it failed");
    serde_json::from_slice(&output.stdout).context("its results cannot be read")
}
