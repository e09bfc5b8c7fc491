//! What a connector's function can do with the workflow.

use std::sync::Arc;

use bytes::Bytes;

use crate::adapter::BoxFuture;
use crate::{Error, RunId};

/// The workflow, as a connector's function sees it.
///
/// ```
/// # use workflow_shop::*;
/// use workflow_core::adapter::ConnectorEvent;
///
/// async fn letter(api: &Api<Order, OrderStatus>, event: &ConnectorEvent) -> Step<()> {
///     let run = api.trigger("order-17", Order { cents: serde_json::from_slice(&event.data)? }).await?;
///     api.cancel(run, "it was a test").await?;
///     Ok(())
/// }
///
/// # example!(
/// let orders = Workflow::builder("orders")
///     .step(Placed, pay, [Paid, Declined])
///     .callback(Paid, scanned, [Shipped])
///     .connector("letters", Feed(&["4200"]), letter)
///     .build()?;
/// let running = orders.run(Memory::new()).await?;
/// let ended = loop {
///     match running.latest("order-17").await? {
///         Some(run) if run.run_state().is_finished() => break run,
///         _ => tokio::task::yield_now().await,
///     }
/// };
/// assert_eq!(ended.reason(), "it was a test");
/// # );
/// ```
pub struct Api<T, S>(pub(crate) Arc<dyn ApiCalls<T, S>>);

impl<T, S> Clone for Api<T, S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What stands behind [`Api`].
pub(crate) trait ApiCalls<T, S>: Send + Sync {
    fn trigger<'a>(
        &'a self,
        foreign_id: &'a str,
        object: T,
        key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<RunId, Error>>;
    fn callback<'a>(
        &'a self,
        status: S,
        foreign_id: &'a str,
        payload: Bytes,
        key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<CallbackOutcome, Error>>;
    fn cancel<'a>(&'a self, run_id: RunId, reason: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}

/// What became of a callback.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let nobody = running.callback(Paid, "order-17", r#""1Z-17""#).await?;
/// assert_eq!(nobody, CallbackOutcome::NoRun);
/// assert!(!nobody.is_applied());
/// # );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackOutcome {
    /// The callback moved the run, or stored its object.
    Applied,
    /// The callback's function skipped.
    Skipped,
    /// The run is not in the callback's status yet; it is kept and applied when the run enters it.
    Buffered,
    /// The same key was used before: nothing was done.
    Duplicate,
    /// The latest run of the foreign id is in another status: nothing was done.
    WrongStatus {
        /// The name of the status that it is in.
        current: String,
    },
    /// The latest run is paused, or has ended: nothing was done.
    Stopped {
        /// The state that it is in.
        run_state: crate::RunState,
    },
    /// There is no run of the foreign id: nothing was done.
    NoRun,
}

impl CallbackOutcome {
    /// Whether the callback had its effect, now.
    pub fn is_applied(&self) -> bool {
        matches!(self, CallbackOutcome::Applied)
    }
}

impl<T, S> Api<T, S> {
    /// Starts a run with this object in the workflow's first status.
    ///
    /// # Errors
    /// [`Error::AlreadyInProgress`] if the foreign id has an unfinished run, and what the store says.
    pub async fn trigger(&self, foreign_id: &str, object: T) -> Result<RunId, Error> {
        self.0.trigger(foreign_id, object, None).await
    }

    /// Starts a run, unless one was started with this key before: then gives that run, finished or not.
    ///
    /// A connector sees an event again after a crash; with the event's id as the key, it starts one run.
    ///
    /// # Errors
    /// As [`Api::trigger`].
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # use workflow_core::adapter::ConnectorEvent;
    /// # type Told = tokio::sync::mpsc::UnboundedSender<bool>;
    /// async fn letter(api: &Api<Order, OrderStatus>, event: &ConnectorEvent, told: &Told) -> Step<()> {
    ///     let first = api.trigger_once(&event.id, "order-17", Order { cents: 4_200 }).await?;
    ///     let again = api.trigger_once(&event.id, "order-17", Order { cents: 4_200 }).await?;
    ///     told.send(first == again)?;
    ///     Ok(())
    /// }
    /// # example!(
    /// # let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    /// # let orders = Workflow::builder("orders")
    /// #     .step(Placed, pay, [Paid, Declined])
    /// #     .callback(Paid, scanned, [Shipped])
    /// #     .connector("letters", Feed(&["4200"]), letter)
    /// #     .state(told)
    /// #     .build()?;
    /// # let running = orders.run(Memory::new()).await?;
    /// # assert_eq!(heard.recv().await, Some(true));
    /// # );
    /// ```
    pub async fn trigger_once(&self, key: &str, foreign_id: &str, object: T) -> Result<RunId, Error> {
        self.0.trigger(foreign_id, object, Some(key)).await
    }

    /// Calls back the latest run of a foreign id; `key` makes a repetition answer `Duplicate`.
    ///
    /// # Errors
    /// What the callback's function or the store says.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # use workflow_core::adapter::ConnectorEvent;
    /// # type Told = tokio::sync::mpsc::UnboundedSender<CallbackOutcome>;
    /// async fn scan(api: &Api<Order, OrderStatus>, event: &ConnectorEvent, told: &Told) -> Step<()> {
    ///     let outcome = api.callback(Paid, &event.key, event.data.clone(), Some(&event.id)).await?;
    ///     told.send(outcome)?;
    ///     Ok(())
    /// }
    /// # example!(
    /// # let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    /// # let orders = Workflow::builder("orders")
    /// #     .step(Placed, pay, [Paid, Declined])
    /// #     .callback(Paid, scanned, [Shipped])
    /// #     .connector("scans", Feed(&["order-17"]), scan)
    /// #     .state(told)
    /// #     .build()?;
    /// # let running = orders.run(Memory::new()).await?;
    /// # assert_eq!(heard.recv().await, Some(CallbackOutcome::NoRun));
    /// # );
    /// ```
    pub async fn callback(
        &self,
        status: S,
        foreign_id: &str,
        payload: impl Into<Bytes>,
        key: Option<&str>,
    ) -> Result<CallbackOutcome, Error> {
        self.0.callback(status, foreign_id, payload.into(), key).await
    }

    /// Ends a run early.
    ///
    /// # Errors
    /// [`Error::Refused`] if it has ended already, and what the store says.
    pub async fn cancel(&self, run_id: RunId, reason: &str) -> Result<(), Error> {
        self.0.cancel(run_id, reason).await
    }
}
