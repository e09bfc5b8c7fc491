//! The engine's only source of time and its only sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

    /// Something runs that takes time of its own: a clock that skips time must not, while the answer lives. The clocks
    /// of hosts, which cannot, have nothing to do here.
    fn hold(&self) -> Hold {
        Hold::default()
    }
}

/// What keeps a clock from skipping time; see [`Clock::hold`].
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use workflow_core::adapter::Hold;
/// let holds = Arc::new(AtomicUsize::new(0));
/// let hold = Hold::on(&holds);
/// assert_eq!(holds.load(Ordering::Acquire), 1);
/// drop(hold);
/// assert_eq!(holds.load(Ordering::Acquire), 0);
/// ```
#[derive(Debug, Default)]
pub struct Hold(Option<Arc<AtomicUsize>>);

impl Hold {
    /// Counts itself among the holds of a clock until it is dropped.
    pub fn on(holds: &Arc<AtomicUsize>) -> Self {
        holds.fetch_add(1, Ordering::AcqRel);
        Self(Some(Arc::clone(holds)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(holds) = &self.0 {
            holds.fetch_sub(1, Ordering::AcqRel);
        }
    }
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
