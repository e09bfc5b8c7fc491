//! What an examination is told beforehand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::{Clock, SystemClock};

use crate::TableNames;
use crate::config::PoolOptions;

/// How the engine is to be run, and from when on something is worth a finding.
///
/// ```
/// use std::time::Duration;
/// use store_sql::config::PoolOptions;
/// use store_sql::doctor::DoctorOptions;
/// let options = DoctorOptions::new()
///     .pool(PoolOptions::new().max_open(50))
///     .processes(4)
///     .waiting_max(Duration::from_secs(300));
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct DoctorOptions {
    pub(super) tables: TableNames,
    pub(super) pool: PoolOptions,
    pub(super) processes: u32,
    pub(super) object_bytes_max: Option<u64>,
    pub(super) single_writer: bool,
    pub(super) connect_timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) waiting_max: Duration,
    pub(super) quiet_max: Duration,
    pub(super) skew_max: Duration,
    pub(super) table_bytes: u64,
    pub(super) dead_rows: u64,
    pub(super) free_bytes_min: u64,
}

impl Default for DoctorOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl DoctorOptions {
    /// One process with the default pool, and limits for a service of some size.
    pub fn new() -> Self {
        Self {
            tables: TableNames::default(),
            pool: PoolOptions::new(),
            processes: 1,
            object_bytes_max: None,
            single_writer: false,
            connect_timeout: Duration::from_secs(10),
            clock: Arc::new(SystemClock::new()),
            waiting_max: Duration::from_secs(60),
            quiet_max: Duration::from_secs(3600),
            skew_max: Duration::from_secs(2),
            table_bytes: 20 << 30,
            dead_rows: 100_000,
            free_bytes_min: 1 << 30,
        }
    }

    /// What the tables are called.
    pub fn tables(mut self, names: TableNames) -> Self {
        self.tables = names;
        self
    }

    /// The pool of each process.
    pub fn pool(mut self, pool: PoolOptions) -> Self {
        self.pool = pool;
        self
    }

    /// How many processes use the database; 1 by default.
    pub fn processes(mut self, processes: u32) -> Self {
        self.processes = processes;
        self
    }

    /// The largest object that is to be taken, in bytes; 1 MiB by default.
    pub fn object_bytes_max(mut self, bytes: u64) -> Self {
        self.object_bytes_max = Some(bytes);
        self
    }

    /// All programs write to one node of a Galera cluster.
    pub fn single_writer(mut self) -> Self {
        self.single_writer = true;
        self
    }

    /// How long making the connection may take if the connection string does not say; 10 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The clock of this host, which the server's is compared with.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long an event, a retry or a timer may wait for its turn; 60 s by default.
    pub fn waiting_max(mut self, time: Duration) -> Self {
        self.waiting_max = time;
        self
    }

    /// How long a run that nothing drives may stay where it is; 1 h by default.
    pub fn quiet_max(mut self, time: Duration) -> Self {
        self.quiet_max = time;
        self
    }

    /// By how much clocks may differ; 2 s by default.
    pub fn skew_max(mut self, time: Duration) -> Self {
        self.skew_max = time;
        self
    }

    /// From how many bytes on a table is called large; 20 GiB by default.
    pub fn table_bytes(mut self, bytes: u64) -> Self {
        self.table_bytes = bytes;
        self
    }

    /// From how many dead rows on a table is looked at; 100,000 by default.
    pub fn dead_rows(mut self, rows: u64) -> Self {
        self.dead_rows = rows;
        self
    }

    /// How many bytes of the disk are to be free; 1 GiB by default.
    pub fn free_bytes_min(mut self, bytes: u64) -> Self {
        self.free_bytes_min = bytes;
        self
    }
}

impl fmt::Debug for DoctorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoctorOptions").field("pool", &self.pool).finish_non_exhaustive()
    }
}
