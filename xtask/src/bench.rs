//! `cargo xtask bench`: builds the benchmarks for speed and runs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::services::Session;

/// The measurements that need servers.
const ON_SERVERS: [&str; 2] = ["sql", "distributed"];

/// Runs the benchmark binary with these arguments; tells whether it succeeded.
pub(crate) fn run(root: &Path, args: &[String]) -> anyhow::Result<bool> {
    if !build(root)? {
        return Ok(false);
    }
    // Those of the servers alone need them, and asking for help needs nothing.
    let needs_servers = args.first().is_some_and(|what| ON_SERVERS.contains(&what.as_str()))
        && !args.iter().any(|arg| arg == "--help");
    let services = if needs_servers { Some(Session::begin(root)?) } else { None };
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let status = Command::new(target.join("release").join("workflow-bench"))
        .args(args)
        .envs(services.iter().flat_map(|session| session.variables.iter().cloned()))
        .current_dir(root)
        .status()
        .context("cannot run the benchmarks")?;
    Ok(status.success())
}

/// All programs, the relay too: the one that is run calls the others.
fn build(root: &Path) -> anyhow::Result<bool> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package", "workflow-bench", "--package", "outbox-relay"])
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}
