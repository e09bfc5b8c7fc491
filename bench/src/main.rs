//! Measures the engine: `workflow-bench embedded`.

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    workflow_bench::run()
}
