//! `cargo xtask bench`: builds the benchmarks for speed and runs them.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::services::Session;

/// Runs the benchmark binary with these arguments; tells whether it succeeded.
pub(crate) fn run(root: &Path, args: &[String]) -> anyhow::Result<bool> {
    // All of its programs: the one that is run calls the others.
    if !cargo(root, "build", &[], None)? {
        return Ok(false);
    }
    // Those of the servers alone need them, and asking for help needs nothing.
    let needs_servers =
        args.first().is_some_and(|what| what == "sql") && !args.iter().any(|arg| arg == "--help");
    let services = if needs_servers { Some(Session::begin(root)?) } else { None };
    cargo(root, "run", args, services.as_ref())
}

fn cargo(root: &Path, command: &str, args: &[String], services: Option<&Session>) -> anyhow::Result<bool> {
    let status = Command::new(env!("CARGO"))
        .args([command, "--quiet", "--release", "--package", "workflow-bench"])
        .args(if args.is_empty() { &[][..] } else { &["--"] })
        .args(args)
        .envs(services.iter().flat_map(|session| session.variables.iter().cloned()))
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}
