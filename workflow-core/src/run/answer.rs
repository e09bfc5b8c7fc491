//! What a user's function can answer: the next status, something else, or an error.

use std::fmt;
use std::sync::Arc;

use crate::Status;

/// What a step, callback or timeout wants to become of its run.
///
/// ```
/// # use workflow_shop::*;
/// async fn charge(run: &mut Run<Order, OrderStatus>) -> Step<Next<OrderStatus>> {
///     Ok(match run.object.cents {
///         0 => Next::cancel("nothing to pay"),
///         1..=10_000 => Next::go_to(Paid),
///         _ => Next::pause("somebody has to look at it"),
///     })
/// }
///
/// # example!(
/// let orders = Workflow::builder("orders")
///     .step(Placed, charge, [Paid, Declined])
///     .callback(Paid, scanned, [Shipped])
///     .build()?;
/// let running = orders.run(Memory::new()).await?;
/// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
/// assert_eq!(running.wait_for(&run).at_rest().await?.reason(), "somebody has to look at it");
/// # );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next<S> {
    /// Store the object and go to a declared status.
    GoTo(S),
    /// Leave the run as it is, and do not call again by itself.
    Skip,
    /// Store the object, stay in this status and be called again.
    Repeat,
    /// Store the object and set the run aside with this reason.
    Pause(Arc<str>),
    /// Store the object and end the run with this reason.
    Cancel(Arc<str>),
}

impl<S> Next<S> {
    /// Store the object and go to a status that the step declared.
    ///
    /// ```
    /// use workflow_core::Next;
    /// assert_eq!(Next::go_to("Paid"), Next::GoTo("Paid"));
    /// ```
    pub fn go_to(status: S) -> Self {
        Next::GoTo(status)
    }

    /// Leave the run as it is, and do not call again by itself.
    ///
    /// ```
    /// use workflow_core::Next;
    /// assert_eq!(Next::<&str>::skip(), Next::Skip);
    /// ```
    pub fn skip() -> Self {
        Next::Skip
    }

    /// Store the object, stay in this status and be called again.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn knock(run: &mut Run<Order, OrderStatus>) -> Step<Next<OrderStatus>> {
    ///     run.object.cents += 1;
    ///     Ok(if run.object.cents < 3 { Next::repeat() } else { Next::go_to(Declined) })
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders").step(Placed, knock, [Paid, Shipped, Declined]).build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 0 }).await?;
    /// let done = running.wait_for(&run).finished().await?;
    /// assert_eq!((done.object()?.cents, done.version().get()), (3, 4));
    /// # );
    /// ```
    pub fn repeat() -> Self {
        Next::Repeat
    }

    /// Store the object and set the run aside, until somebody resumes it.
    ///
    /// ```
    /// use workflow_core::Next;
    /// assert_eq!(Next::<&str>::pause("no stock"), Next::Pause("no stock".into()));
    /// ```
    pub fn pause(reason: impl Into<Arc<str>>) -> Self {
        Next::Pause(reason.into())
    }

    /// Store the object and end the run.
    ///
    /// ```
    /// use workflow_core::Next;
    /// assert_eq!(Next::<&str>::cancel("no stock"), Next::Cancel("no stock".into()));
    /// ```
    pub fn cancel(reason: impl Into<Arc<str>>) -> Self {
        Next::Cancel(reason.into())
    }
}

impl<S: Status> From<S> for Next<S> {
    fn from(status: S) -> Self {
        Next::GoTo(status)
    }
}

/// What a user's function returns: `Step<Status>` for the next status, `Step<Next<Status>>` for everything a run can do.
///
/// ```
/// # use workflow_shop::*;
/// fn price(text: &str) -> Step<u64> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(price("4200").unwrap(), 4_200);
/// assert_eq!(price("much").unwrap_err().failure(), Failure::Retryable);
/// ```
pub type Step<N> = Result<N, StepError>;

/// Whether a failed function is worth another attempt.
///
/// ```
/// use workflow_core::{Failure, retryable, terminal};
/// assert_eq!(retryable("the line is busy").failure(), Failure::Retryable);
/// assert_eq!(terminal("no such account").failure(), Failure::Terminal);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another attempt may succeed: the engine makes it after a back-off.
    Retryable,
    /// No attempt will: the run is paused at once, with the reason.
    Terminal,
}

/// An error of a user's function. `?` makes a retryable one of any error; [`terminal`] and [`retryable`] say which.
///
/// ```
/// use workflow_core::{Step, terminal};
/// fn parse(amount: &str) -> Step<u32> {
///     let amount: u32 = amount.parse()?;
///     if amount == 0 { return Err(terminal("an order of nothing")) }
///     Ok(amount)
/// }
/// assert!(parse("0").is_err());
/// ```
pub struct StepError {
    failure: Failure,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StepError {
    /// Whether another attempt is worth it.
    ///
    /// ```
    /// use workflow_core::{Failure, StepError};
    /// let error = StepError::from("x".parse::<u8>().unwrap_err());
    /// assert_eq!(error.failure(), Failure::Retryable);
    /// ```
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// The user's error.
    ///
    /// ```
    /// use workflow_core::StepError;
    /// let error = StepError::from("x".parse::<u8>().unwrap_err());
    /// assert!(error.source().is::<std::num::ParseIntError>());
    /// ```
    pub fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.source
    }

    /// The error and its causes on one line.
    ///
    /// ```
    /// use workflow_core::terminal;
    /// assert_eq!(terminal("no such account").reason(), "no such account");
    /// ```
    pub fn reason(&self) -> String {
        let mut text = self.source.to_string();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let line = error.to_string();
            if !text.contains(&line) {
                text.push_str(": ");
                text.push_str(&line);
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.failure, self.reason())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for StepError {
    fn from(error: E) -> Self {
        retryable(error)
    }
}

/// An error that another attempt may not meet; what `?` makes too.
///
/// ```
/// use workflow_core::{Failure, Step, retryable};
/// fn ask(answer: Option<u8>) -> Step<u8> {
///     answer.ok_or_else(|| retryable("the line is busy"))
/// }
/// assert_eq!(ask(None).unwrap_err().failure(), Failure::Retryable);
/// ```
pub fn retryable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
    StepError { failure: Failure::Retryable, source: error.into() }
}

/// An error that every attempt would meet: the run is paused at once, with this reason.
///
/// ```
/// use workflow_core::{Failure, Step, terminal};
/// fn ask(answer: Option<u8>) -> Step<u8> {
///     answer.ok_or_else(|| terminal("no such account"))
/// }
/// assert_eq!(ask(None).unwrap_err().failure(), Failure::Terminal);
/// ```
pub fn terminal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
    StepError { failure: Failure::Terminal, source: error.into() }
}
