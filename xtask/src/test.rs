//! `cargo xtask test`: everything that must pass, each stage even if one before it failed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use crate::services::{Session, packages};
use crate::tidy;

/// What the tests of all packages came to.
#[derive(Clone, Copy, Default)]
struct Counts {
    passed: u64,
    failed: u64,
}

/// Runs all stages; tells whether all passed.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    packages::ensure_for_build()?;
    let begun = Instant::now();
    let mut failed: Vec<&str> = Vec::new();
    let mut stage = |name: &'static str, passed: bool| {
        if !passed {
            failed.push(name);
        }
    };
    stage("format", cargo(root, "format", &["fmt", "--all", "--check"])?);
    println!("== tidy");
    stage("tidy", tidy::run(root)?);
    let lints = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    stage("lints", cargo(root, "lints", &lints)?);
    let services = services(root);
    stage("services", services.as_ref().is_some_and(|session| session.failures.is_empty()));
    let (passed, counts) = tests(root, services.as_ref())?;
    stage("tests", passed);
    drop(services);
    stage(
        "documentation",
        cargo(root, "documentation", &["doc", "--workspace", "--no-deps", "--all-features"])?,
    );
    println!("== {} s", begun.elapsed().as_secs());
    for name in &failed {
        println!("stage failed: {name}");
    }
    println!("{} passed, {} failed", counts.passed, counts.failed.max(u64::from(!failed.is_empty())));
    Ok(failed.is_empty())
}

fn cargo(root: &Path, stage: &str, args: &[&str]) -> anyhow::Result<bool> {
    println!("== {stage}: cargo {}", args.join(" "));
    let status = command(root, args).status().with_context(|| format!("cannot run cargo for {stage}"))?;
    Ok(status.success())
}

fn command(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(root).env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// Starts the servers that tests need; without one its tests fail, and all others still run.
fn services(root: &Path) -> Option<Session> {
    println!("== services");
    let session = Session::begin(root).map_err(|error| println!("error: {error:#}")).ok()?;
    session.failures.iter().for_each(|error| println!("error: {error:#}"));
    Some(session)
}

/// Runs the tests of all packages, shows what they print, and counts.
fn tests(root: &Path, services: Option<&Session>) -> anyhow::Result<(bool, Counts)> {
    let args = ["test", "--workspace", "--all-features", "--no-fail-fast"];
    println!("== tests: cargo {}", args.join(" "));
    let mut tests = command(root, &args);
    tests.envs(services.iter().flat_map(|session| session.variables.iter().cloned()));
    let mut child = tests.stdout(Stdio::piped()).spawn().context("cannot run cargo test")?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        let mut shown = std::io::stdout().lock();
        for line in BufReader::new(output).lines() {
            let line = line.context("cannot read what the tests print")?;
            counts = counts.and(&line);
            writeln!(shown, "{line}")?;
        }
    }
    Ok((child.wait()?.success(), counts))
}

impl Counts {
    /// Adds a line of the form `test result: ok. 12 passed; 0 failed; ..`.
    fn and(self, line: &str) -> Self {
        let Some(rest) = line.strip_prefix("test result: ") else { return self };
        let count = |what: &str| -> u64 {
            let words: Vec<&str> = rest.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
            words.windows(2).find(|pair| pair[1] == what).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
        };
        Self { passed: self.passed + count("passed"), failed: self.failed + count("failed") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_packages_add_up() {
        let lines = [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ];
        let counts = lines.iter().fold(Counts::default(), |counts, line| counts.and(line));
        assert_eq!((counts.passed, counts.failed), (7, 2));
    }
}
