//! The engine's only source of time and its only sleep.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::BoxFuture;
use crate::Timestamp;

/// Tells the time and waits.
///
/// # Contract
/// 1. `now` never goes back by more than the host's clock does, and is in milliseconds.
/// 2. `elapsed` never goes back.
/// 3. `sleep` ends no earlier than the duration says; dropping its future is free of effects.
pub trait Clock: Send + Sync + 'static {
    /// The present, for instants that are stored.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, for measuring how long things took.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The clock of this host.
///
/// ```
/// use workflow_core::adapter::{Clock, SystemClock};
/// assert!(SystemClock::new().now().as_millis() > 0);
/// ```
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The clock of this host.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
