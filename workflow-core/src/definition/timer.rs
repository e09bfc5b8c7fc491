//! When a timeout is due.

use std::time::Duration;

use crate::{Due, Run, StepError, Timestamp};

/// What tells when a timeout is due, asked before the status is entered: [`after`], [`at`], or a function of the run.
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
pub fn after(delay: Duration) -> Due {
    Due::In(delay)
}

/// At a fixed instant.
pub fn at(instant: Timestamp) -> Due {
    Due::At(instant)
}
