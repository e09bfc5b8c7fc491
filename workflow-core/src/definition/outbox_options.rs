//! How the relay inside the process reads the outbox.

use std::time::Duration;

/// Settings of the relay inside the process. Workflows on one backend share the relay: how much it reads at once and how
/// long it waits after an error is what the first of them says; the rest is each one's own.
///
/// ```
/// use std::time::Duration;
/// use workflow_core::OutboxOptions;
/// let options = OutboxOptions::default().batch(500).error_back_off(Duration::from_secs(1));
/// assert_eq!(options.batch(1_000).error_back_off(Duration::from_millis(500)), OutboxOptions::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxOptions {
    pub(crate) batch: usize,
    pub(crate) error_back_off: Duration,
    pub(crate) lag_alert: Duration,
    pub(crate) enabled: bool,
}

impl Default for OutboxOptions {
    fn default() -> Self {
        Self {
            batch: 1000,
            error_back_off: Duration::from_millis(500),
            lag_alert: Duration::from_secs(60),
            enabled: true,
        }
    }
}

impl OutboxOptions {
    /// How many rows it reads at once; 1,000 by default.
    ///
    /// ```
    /// use workflow_core::OutboxOptions;
    /// assert_eq!(OutboxOptions::default().batch(1_000), OutboxOptions::default());
    /// ```
    pub fn batch(mut self, rows: usize) -> Self {
        self.batch = rows;
        self
    }

    /// How long it waits after an error; 500 ms by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// use workflow_core::OutboxOptions;
    /// assert_eq!(OutboxOptions::default().error_back_off(Duration::from_millis(500)), OutboxOptions::default());
    /// ```
    pub fn error_back_off(mut self, wait: Duration) -> Self {
        self.error_back_off = wait;
        self
    }

    /// How old the oldest row may be before the alert metric rises; 1 min by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// use workflow_core::OutboxOptions;
    /// assert_eq!(OutboxOptions::default().lag_alert(Duration::from_secs(60)), OutboxOptions::default());
    /// ```
    pub fn lag_alert(mut self, age: Duration) -> Self {
        self.lag_alert = age;
        self
    }

    /// No relay inside this process: a separate one publishes the rows.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .outbox(OutboxOptions::off())
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// // Nobody publishes its event.
    /// # for _ in 0..1_000 { tokio::task::yield_now().await; }
    /// assert_eq!(running.get(&run).await?.status(), Placed);
    /// # );
    /// ```
    pub fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }
}
