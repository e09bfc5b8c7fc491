//! `cargo xtask bench`: builds the benchmarks for speed and runs them.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// Runs the benchmark binary with these arguments; tells whether it succeeded.
pub(crate) fn run(root: &Path, args: &[String]) -> anyhow::Result<bool> {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--release", "--package", "workflow-bench", "--"])
        .args(args)
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}
