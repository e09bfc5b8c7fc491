//! When a timeout is due.

use std::time::Duration;

use crate::{Due, Run, StepError, Timestamp};

/// What tells when a timeout is due, asked before the status is entered: [`after`], [`at`], or a function of the run.
///
/// ```
/// # use workflow_shop::*;
/// fn patience(run: &Run<Order, OrderStatus>) -> Result<Option<Due>, StepError> {
///     // Nobody is in a hurry to give up on large orders.
///     Ok((run.object.cents < 5_000).then_some(after(Duration::from_millis(1))))
/// }
///
/// # example!(
/// let orders = Workflow::builder("orders")
///     .step(Placed, pay, [Paid])
///     .callback(Paid, scanned, [Shipped])
///     .timeout(Paid, patience, decline, [Declined])
///     .build()?;
/// let running = orders.run(Memory::new()).await?;
/// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
/// assert_eq!(running.wait_for(&run).finished().await?.status(), Declined);
/// # );
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell when a timeout is due",
    label = "not a timer",
    note = "use `after(duration)`, `at(instant)`, or `Fn(&Run<T, S>) -> Result<Option<Due>, StepError>`"
)]
pub trait TimerFn<T, S>: Send + Sync + 'static {
    /// When it is due; `None` sets no timer for this run.
    ///
    /// # Errors
    /// The transition is stored all the same, and the timer is asked again later.
    fn due(&self, run: &Run<T, S>) -> Result<Option<Due>, StepError>;
}

impl<T, S, F> TimerFn<T, S> for F
where
    F: Fn(&Run<T, S>) -> Result<Option<Due>, StepError> + Send + Sync + 'static,
{
    fn due(&self, run: &Run<T, S>) -> Result<Option<Due>, StepError> {
        self(run)
    }
}

impl<T, S> TimerFn<T, S> for Due {
    fn due(&self, _: &Run<T, S>) -> Result<Option<Due>, StepError> {
        Ok(Some(*self))
    }
}

/// So long after the status was entered.
///
/// ```
/// use std::time::Duration;
/// use workflow_core::{Timestamp, after};
/// let now = Timestamp::from_millis(1_000);
/// assert_eq!(after(Duration::from_secs(2)).resolve(now), Timestamp::from_millis(3_000));
/// ```
pub fn after(delay: Duration) -> Due {
    Due::In(delay)
}

/// At a fixed instant.
///
/// ```
/// use workflow_core::{Timestamp, at};
/// let (now, new_year) = (Timestamp::from_millis(1_000), Timestamp::from_millis(1_767_225_600_000));
/// assert_eq!(at(new_year).resolve(now), new_year);
/// ```
pub fn at(instant: Timestamp) -> Due {
    Due::At(instant)
}
