//! How many requests are sent to a server, as the operating system counts them.

use std::process::Command;

use anyhow::Context;

/// Segments with data that were sent to this port on this host, over all connections that are open. A request at rest is
/// one segment. Nothing if the tool that tells is not installed.
pub(crate) fn requests_sent(address: &str) -> anyhow::Result<Option<u64>> {
    let port = address.rsplit(':').next().context("an address without a port")?;
    let asked = Command::new("ss").args(["-tinH", &format!("dport = :{port}")]).output();
    let Ok(output) = asked else { return Ok(None) };
    anyhow::ensure!(output.status.success(), "ss does not tell of connections");
    let said = String::from_utf8_lossy(&output.stdout);
    let counts =
        said.split_whitespace().filter_map(|word| word.strip_prefix("data_segs_out:")?.parse::<u64>().ok());
    Ok(Some(counts.sum()))
}
