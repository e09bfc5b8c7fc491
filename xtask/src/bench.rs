//! `cargo xtask bench`: builds the benchmarks for speed and runs them.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// Runs the benchmark binary with these arguments; tells whether it succeeded.
pub(crate) fn run(root: &Path, args: &[String]) -> anyhow::Result<bool> {
    // All of its programs: the one that is run calls the others.
    if !cargo(root, "build", &[])? {
        return Ok(false);
    }
    cargo(root, "run", args)
}

fn cargo(root: &Path, command: &str, args: &[String]) -> anyhow::Result<bool> {
    let status = Command::new(env!("CARGO"))
        .args([command, "--quiet", "--release", "--package", "workflow-bench"])
        .args(if args.is_empty() { &[][..] } else { &["--"] })
        .args(args)
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}
