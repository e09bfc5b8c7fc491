//! How a process behaves: what is not said is inherited.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::RetryPolicy;

/// When a failing run is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseAfter {
    /// After so many failed attempts.
    Errors(NonZeroU32),
    /// Never: it is retried for ever.
    Never,
}

/// Settings of a step, timeout, hook or connector, or of a whole workflow. What is not set is inherited: from the
/// workflow's options, then from the defaults.
///
/// ```
/// use std::time::Duration;
/// use workflow_core::Options;
/// let careful = Options::new().shards(4).pause_after(5).attempt_timeout(Duration::from_secs(30));
/// # let _ = careful;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    pub(crate) shards: Option<u32>,
    pub(crate) poll_every: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) in_place_retries: Option<u32>,
    pub(crate) pause_after: Option<PauseAfter>,
    pub(crate) attempt_timeout: Option<Option<Duration>>,
    pub(crate) in_flight: Option<usize>,
    pub(crate) consume_lag: Option<Duration>,
    pub(crate) lag_alert: Option<Duration>,
    pub(crate) cancel_grace: Option<Duration>,
    /// Whether 0 was given as the number of errors, which `build()` reports.
    pub(crate) pause_after_zero: bool,
}

/// [`Options`] with everything filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProcessOptions {
    pub(crate) shards: NonZeroU32,
    pub(crate) poll_every: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) in_place_retries: u32,
    pub(crate) pause_after: PauseAfter,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) in_flight: usize,
    pub(crate) consume_lag: Duration,
    pub(crate) lag_alert: Duration,
    pub(crate) cancel_grace: Duration,
}

/// After so many failed attempts a run is paused, if nothing else is said.
const PAUSE_AFTER_DEFAULT: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");

impl Default for ProcessOptions {
    fn default() -> Self {
        Options::default().resolve()
    }
}

impl Options {
    /// Nothing set: everything is inherited.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many equal parts the process is divided into, each with an owner of its own; 1 by default.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = Some(shards);
        self
    }

    /// The longest that the process waits without a wake-up before it looks again; 1 s by default.
    pub fn poll_every(mut self, ceiling: Duration) -> Self {
        self.poll_every = Some(ceiling);
        self
    }

    /// The back-off between attempts; 1 s, doubling up to 5 min, with full jitter, by default.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// How often a failed attempt is repeated within milliseconds, before it counts as failed; 2 by default.
    pub fn in_place_retries(mut self, retries: u32) -> Self {
        self.in_place_retries = Some(retries);
        self
    }

    /// After how many failed attempts the run is paused; 20 by default.
    pub fn pause_after(mut self, errors: u32) -> Self {
        self.pause_after = NonZeroU32::new(errors).map(PauseAfter::Errors);
        self.pause_after_zero = errors == 0;
        self
    }

    /// Retries a failing run for ever.
    pub fn never_pause(mut self) -> Self {
        self.pause_after = Some(PauseAfter::Never);
        self.pause_after_zero = false;
        self
    }

    /// Drops an attempt that takes longer, and counts it as failed; off by default.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(Some(limit));
        self
    }

    /// How many runs of the process may be in flight at once, for each shard; 256 by default.
    pub fn in_flight(mut self, runs: usize) -> Self {
        self.in_flight = Some(runs);
        self
    }

    /// Takes an event only once it is that old; none by default.
    pub fn consume_lag(mut self, lag: Duration) -> Self {
        self.consume_lag = Some(lag);
        self
    }

    /// How far behind (beyond the consume lag) the process may be before the alert metric rises; 30 min by default.
    pub fn lag_alert(mut self, lag: Duration) -> Self {
        self.lag_alert = Some(lag);
        self
    }

    /// How long a function may go on after its run was cancelled, before its future is dropped; 5 s by default.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = Some(grace);
        self
    }

    /// These options, with what they do not say taken from `parent`.
    pub fn inherit(self, parent: &Options) -> Self {
        Self {
            shards: self.shards.or(parent.shards),
            poll_every: self.poll_every.or(parent.poll_every),
            retry: self.retry.or(parent.retry),
            in_place_retries: self.in_place_retries.or(parent.in_place_retries),
            pause_after: self.pause_after.or(parent.pause_after),
            attempt_timeout: self.attempt_timeout.or(parent.attempt_timeout),
            in_flight: self.in_flight.or(parent.in_flight),
            consume_lag: self.consume_lag.or(parent.consume_lag),
            lag_alert: self.lag_alert.or(parent.lag_alert),
            cancel_grace: self.cancel_grace.or(parent.cancel_grace),
            pause_after_zero: self.pause_after_zero || (self.pause_after.is_none() && parent.pause_after_zero),
        }
    }

    /// Fills in the defaults. Zero shards and zero in flight are problems that `build()` reports before.
    pub(crate) fn resolve(&self) -> ProcessOptions {
        ProcessOptions {
            shards: self.shards.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN),
            poll_every: self.poll_every.unwrap_or(Duration::from_secs(1)),
            retry: self.retry.unwrap_or_default(),
            in_place_retries: self.in_place_retries.unwrap_or(2),
            pause_after: self.pause_after.unwrap_or(PauseAfter::Errors(PAUSE_AFTER_DEFAULT)),
            attempt_timeout: self.attempt_timeout.flatten(),
            in_flight: self.in_flight.unwrap_or(256).max(1),
            consume_lag: self.consume_lag.unwrap_or_default(),
            lag_alert: self.lag_alert.unwrap_or(Duration::from_secs(30 * 60)),
            cancel_grace: self.cancel_grace.unwrap_or(Duration::from_secs(5)),
        }
    }
}
