//! How a process behaves: what is not said is inherited.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::RetryPolicy;

/// When a failing run is paused.
///
/// ```
/// use std::num::NonZeroU32;
/// use workflow_core::PauseAfter;
/// assert_ne!(PauseAfter::Errors(NonZeroU32::MAX), PauseAfter::Never);
/// ```
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
/// # use workflow_shop::*;
/// let everywhere = Options::new().in_flight(64).pause_after(5);
/// let step = Options::new().pause_after(3).inherit(&everywhere);
/// assert_eq!(step, Options::new().pause_after(3).in_flight(64));
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
    ///
    /// ```
    /// use workflow_core::Options;
    /// let parent = Options::new().shards(4);
    /// assert_eq!(Options::new().inherit(&parent), parent);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// How many equal parts the process is divided into, each with an owner of its own; 1 by default.
    ///
    /// ```
    /// use workflow_core::Options;
    /// assert_eq!(Options::new().shards(2).shards(4), Options::new().shards(4));
    /// ```
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = Some(shards);
        self
    }

    /// The longest that the process waits without a wake-up before it looks again; 1 s by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let busy = Options::new().poll_every(Duration::ZERO);
    /// let orders = Workflow::builder("orders").step(Placed, pay, [Paid, Declined, Shipped]).with(busy).build();
    /// assert!(orders.unwrap_err().to_string().contains("poll_every is 0ns: use a second or so"));
    /// ```
    pub fn poll_every(mut self, ceiling: Duration) -> Self {
        self.poll_every = Some(ceiling);
        self
    }

    /// The back-off between attempts; 1 s, doubling up to 5 min, with full jitter, by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let retry = RetryPolicy { base: Duration::from_millis(50), cap: Duration::from_secs(2) };
    /// assert_eq!(retry.ceiling(3), Duration::from_millis(200));
    /// assert_ne!(Options::new().retry(retry), Options::new());
    /// ```
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// How often a failed attempt is repeated within milliseconds, before it counts as failed; 2 by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn charge(_: &mut Run<Order, OrderStatus>, calls: &std::sync::atomic::AtomicU32) -> Step<OrderStatus> {
    ///     match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
    ///         0 => Err(retryable("the line is busy")),
    ///         _ => Ok(Paid),
    ///     }
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, charge, [Paid, Declined]).with(Options::new().in_place_retries(1).pause_after(1))
    ///     .callback(Paid, scanned, [Shipped])
    ///     .state(0.into())
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert!(running.wait_for(&run).status(Paid).await?.is_reached());
    /// # );
    /// ```
    pub fn in_place_retries(mut self, retries: u32) -> Self {
        self.in_place_retries = Some(retries);
        self
    }

    /// After how many failed attempts the run is paused; 20 by default. A connector has no run to pause: its event is set
    /// aside as a dead letter, after 5 by default, since the events behind it wait.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn charge(_: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    ///     Err(retryable("the bank does not answer"))
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, charge, [Paid, Declined]).with(Options::new().pause_after(1))
    ///     .callback(Paid, scanned, [Shipped])
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// let paused = running.wait_for(&run).at_rest().await?;
    /// assert_eq!(paused.run_state(), RunState::Paused);
    /// assert!(paused.reason().contains("the bank does not answer"), "{}", paused.reason());
    /// # );
    /// ```
    pub fn pause_after(mut self, errors: u32) -> Self {
        self.pause_after = NonZeroU32::new(errors).map(PauseAfter::Errors);
        self.pause_after_zero = errors == 0;
        self
    }

    /// Retries a failing run for ever.
    ///
    /// ```
    /// use workflow_core::Options;
    /// let patient = Options::new().never_pause();
    /// assert_eq!(patient.clone().inherit(&Options::new().pause_after(3)), patient);
    /// ```
    pub fn never_pause(mut self) -> Self {
        self.pause_after = Some(PauseAfter::Never);
        self.pause_after_zero = false;
        self
    }

    /// Drops an attempt that takes longer, and counts it as failed; off by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn charge(_: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    ///     std::future::pending().await
    /// }
    ///
    /// # example!(
    /// let quick = Options::new().attempt_timeout(Duration::from_millis(1)).in_place_retries(0).pause_after(1);
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, charge, [Paid, Declined]).with(quick)
    ///     .callback(Paid, scanned, [Shipped])
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert_eq!(running.wait_for(&run).at_rest().await?.run_state(), RunState::Paused);
    /// # );
    /// ```
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(Some(limit));
        self
    }

    /// How many runs of the process may be in flight at once, for each shard; 256 by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let stuck = Options::new().in_flight(0);
    /// let orders = Workflow::builder("orders").step(Placed, pay, [Paid, Declined, Shipped]).with(stuck).build();
    /// assert!(orders.unwrap_err().to_string().contains("the step of Placed: in_flight is 0: use 1 or more"));
    /// ```
    pub fn in_flight(mut self, runs: usize) -> Self {
        self.in_flight = Some(runs);
        self
    }

    /// Takes an event only once it is that old; none by default.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let later = Options::new().consume_lag(Duration::from_secs(60));
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined]).with(later.clone())
    ///     .timeout(Paid, after(Duration::from_hours(48)), decline, [Shipped]).with(later)
    ///     .build();
    /// let problems = orders.unwrap_err().problems;
    /// assert_eq!(problems.len(), 1);
    /// assert_eq!(problems[0].to_string(), "the timeout of Paid: consume_lag is not for a timeout: remove it");
    /// ```
    pub fn consume_lag(mut self, lag: Duration) -> Self {
        self.consume_lag = Some(lag);
        self
    }

    /// How far behind (beyond the consume lag) the process may be before the alert metric rises; 30 min by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// use workflow_core::Options;
    /// let (strict, lax) = (Duration::from_secs(60), Duration::from_secs(3600));
    /// assert_eq!(Options::new().lag_alert(lax).lag_alert(strict), Options::new().lag_alert(strict));
    /// ```
    pub fn lag_alert(mut self, lag: Duration) -> Self {
        self.lag_alert = Some(lag);
        self
    }

    /// How long a function may go on after its run was cancelled, before its future is dropped; 5 s by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// use workflow_core::Options;
    /// let at_once = Options::new().cancel_grace(Duration::ZERO);
    /// assert_eq!(Options::new().inherit(&at_once), at_once);
    /// ```
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = Some(grace);
        self
    }

    /// These options, with what they do not say taken from `parent`.
    ///
    /// ```
    /// use workflow_core::Options;
    /// let workflow = Options::new().shards(4).in_flight(64);
    /// assert_eq!(Options::new().shards(1).inherit(&workflow), Options::new().shards(1).in_flight(64));
    /// ```
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
            pause_after_zero: self.pause_after_zero
                || (self.pause_after.is_none() && parent.pause_after_zero),
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
