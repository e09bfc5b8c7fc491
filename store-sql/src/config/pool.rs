//! How many connections there are, and how long they and their statements may take.

use std::time::Duration;

use super::problem::{DsnError, Problems};

/// The connections that a store keeps.
///
/// ```
/// use std::time::Duration;
/// use store_sql::config::PoolOptions;
/// let pool = PoolOptions::new().max_open(50).min_idle(10).max_lifetime(Duration::from_secs(240));
/// assert!(pool.check().is_ok());
/// assert!(PoolOptions::new().max_open(0).check().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    pub(crate) max_open: u32,
    pub(crate) min_idle: u32,
    pub(crate) max_lifetime: Duration,
    pub(crate) idle_time: Duration,
    pub(crate) acquire_timeout: Option<Duration>,
    pub(crate) statement_timeout: Option<Duration>,
}

/// How long a call waits for a connection if nothing else is said.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a statement may take if nothing else is said.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest time that a server can measure a statement by in every dialect.
const STATEMENT_TIMEOUT_MIN: Duration = Duration::from_millis(10);

impl Default for PoolOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PoolOptions {
    /// 25 connections at most, 2 kept idle, each used for 5 minutes, closed after 1 minute of idleness.
    pub fn new() -> Self {
        Self {
            max_open: 25,
            min_idle: 2,
            max_lifetime: Duration::from_secs(300),
            idle_time: Duration::from_secs(60),
            acquire_timeout: None,
            statement_timeout: None,
        }
    }

    /// How many connections may be open at once; stay below the server's own limit.
    pub fn max_open(mut self, connections: u32) -> Self {
        self.max_open = connections;
        self
    }

    /// How many connections are made at once and kept even if nobody needs them.
    pub fn min_idle(mut self, connections: u32) -> Self {
        self.min_idle = connections;
        self
    }

    /// How long a connection is used before a new one replaces it; stay below the server's idle limit.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// How long a connection may be idle before it is closed.
    pub fn idle_time(mut self, time: Duration) -> Self {
        self.idle_time = time;
        self
    }

    /// How long a call waits for a connection, 30 s by default or what the connection string says.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = Some(timeout);
        self
    }

    /// How long a statement may take on the server, 5 s by default or what the connection string says.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// Whether these options can be used.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn check(&self) -> Result<(), DsnError> {
        let mut problems = Problems::default();
        if self.max_open == 0 {
            problems.add("max_open", "without a connection nothing can be done: at least 1");
        }
        if self.min_idle > self.max_open {
            problems.add("min_idle", "more connections are kept than may be open: at most max_open");
        }
        let times = [
            ("max_lifetime", Some(self.max_lifetime), Duration::from_secs(1)),
            ("idle_time", Some(self.idle_time), Duration::from_secs(1)),
            ("acquire_timeout", self.acquire_timeout, Duration::from_millis(1)),
            ("statement_timeout", self.statement_timeout, STATEMENT_TIMEOUT_MIN),
        ];
        for (part, time, least) in times {
            if time.is_some_and(|time| time < least) {
                problems.add(part, format!("it is too short: at least {} ms", least.as_millis()));
            }
        }
        problems.or(())
    }

    /// How long a call waits for a connection, given what the connection string says.
    pub fn acquire_timeout_or(&self, dsn: Option<Duration>) -> Duration {
        self.acquire_timeout.or(dsn).unwrap_or(ACQUIRE_TIMEOUT)
    }

    /// How long a statement may take, given what the connection string says.
    pub fn statement_timeout_or(&self, dsn: Option<Duration>) -> Duration {
        self.statement_timeout.or(dsn).unwrap_or(STATEMENT_TIMEOUT).max(STATEMENT_TIMEOUT_MIN)
    }
}
