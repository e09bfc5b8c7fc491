//! The arguments of `doctor`.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use clap::Args;

use crate::times;

/// What `doctor` takes: how the engine is to be run, and from when on something is worth a finding.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// How many connections the pool of a process may open
    #[arg(long, value_name = "CONNECTIONS", default_value = "25")]
    pub(crate) max_open: NonZeroU32,
    /// For how long the pool of a process uses a connection
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = lifetime)]
    pub(crate) max_lifetime: Duration,
    /// How many processes use the database
    #[arg(long, value_name = "PROCESSES", default_value = "1")]
    pub(crate) processes: NonZeroU32,
    /// The largest object that is to be taken, in bytes [default: 1 MiB, or what the server takes]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) object_bytes_max: Option<NonZeroU64>,
    /// All programs write to one node of a Galera cluster
    #[arg(long)]
    pub(crate) single_writer: bool,
    /// For how long an event, a retry or a timer may wait for its turn
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = times::duration)]
    pub(crate) waiting_max: Duration,
    /// For how long a run that nothing drives may stay where it is
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = times::duration)]
    pub(crate) quiet_max: Duration,
}

/// A pool would do nothing but connect if it used a connection for no time.
fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = times::duration(text)?;
    if lifetime.is_zero() { Err("it is too short: at least 1s".to_owned()) } else { Ok(lifetime) }
}

fn bytes(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| "it is a number of bytes, from 1 on".to_owned())
}
