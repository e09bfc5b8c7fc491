//! The arguments of `doctor`.

use std::num::NonZeroU32;
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
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = times::duration)]
    pub(crate) max_lifetime: Duration,
    /// How many processes use the database
    #[arg(long, value_name = "PROCESSES", default_value = "1")]
    pub(crate) processes: NonZeroU32,
    /// The largest object that is to be taken, in bytes [default: 1 MiB, or what the server takes]
    #[arg(long, value_name = "BYTES")]
    pub(crate) object_bytes_max: Option<u64>,
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
