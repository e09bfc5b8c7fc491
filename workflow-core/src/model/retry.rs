//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential back-off with full jitter: a random delay between zero and `base * 2^(attempt - 1)`, capped.
///
/// Full jitter spreads a crowd of retries best for the least total work ("Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015).
///
/// ```
/// use std::time::Duration;
/// use workflow_core::RetryPolicy;
/// let policy = RetryPolicy { base: Duration::from_millis(100), cap: Duration::from_secs(1) };
/// assert_eq!((1..=5).map(|attempt| policy.ceiling(attempt).as_millis()).collect::<Vec<_>>(), [100, 200, 400, 800, 1_000]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The upper limit of the first delay.
    pub base: Duration,
    /// The upper limit of every delay.
    pub cap: Duration,
}

impl RetryPolicy {
    /// One second, doubling up to five minutes.
    pub const DEFAULT: RetryPolicy =
        RetryPolicy { base: Duration::from_secs(1), cap: Duration::from_secs(300) };

    /// The longest that the wait after failed attempt number `attempt` (from 1) can be.
    ///
    /// ```
    /// use std::time::Duration;
    /// use workflow_core::RetryPolicy;
    /// assert_eq!(RetryPolicy::DEFAULT.ceiling(1), Duration::from_secs(1));
    /// assert_eq!(RetryPolicy::DEFAULT.ceiling(1_000), Duration::from_secs(300));
    /// ```
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// The wait after failed attempt number `attempt`, given a random number in `0.0..1.0`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use workflow_core::RetryPolicy;
    /// assert_eq!(RetryPolicy::DEFAULT.delay(3, 0.5), Duration::from_secs(2));
    /// ```
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let ceiling = self.ceiling(attempt);
        let seconds = ceiling.as_secs_f64() * random.clamp(0.0, 1.0);
        // Rounding may lead out of what a duration holds, or above the ceiling.
        Duration::try_from_secs_f64(seconds).map_or(ceiling, |delay| delay.min(ceiling))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}
