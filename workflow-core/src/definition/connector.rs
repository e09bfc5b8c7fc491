//! Where a connector's events come from, and the function that takes them.

use crate::GroupName;
use crate::Shard;
use crate::adapter::{Backend, BackendError, BoxFuture, ConnectorEvent, Unreadable};
use crate::{Status, StepError};

use super::Api;

/// A stream of events from elsewhere.
///
/// # Contract
/// 1. *At least once.* What was given and not settled is given again to the next receiver of the group.
/// 2. *One shard each.* The receivers of all shards of a group together get every event, each event by one of them.
///
/// ```
/// # use workflow_shop::*;
/// // `Feed` of these examples gives a few texts; each shard of a real source gives its share.
/// let letters: &dyn ConnectorSource = &Feed(&["4200"]);
/// # example!(
/// # let group = GroupName::of_connector("letters", &WorkflowName::new("orders")?);
/// let mut open = letters.open(&Memory::new().into(), &group, Shard::WHOLE).await?;
/// assert_eq!(open.next_batch(10).await?[0].data.as_ref(), b"4200");
/// open.settle().await?;
/// # );
/// ```
pub trait ConnectorSource: Send + Sync + 'static {
    /// Opens one shard of it for a group, from where the group left off.
    fn open<'a>(
        &'a self,
        backend: &'a Backend,
        group: &'a GroupName,
        shard: Shard,
    ) -> BoxFuture<'a, Result<Box<dyn ConnectorReceiver>, BackendError>>;
}

/// One shard of a [`ConnectorSource`], in this process.
///
/// ```
/// # use workflow_shop::*;
/// # example!(
/// # let group = GroupName::of_connector("letters", &WorkflowName::new("orders")?);
/// let mut open = Feed(&["4200", "300"]).open(&Memory::new().into(), &group, Shard::WHOLE).await?;
/// assert_eq!(open.next_batch(10).await?.len(), 2);
/// open.settle().await?;
/// # );
/// ```
pub trait ConnectorReceiver: Send {
    /// Waits for events; gives at least one and at most `max`. Dropping its future loses none. It gives none only if
    /// something was met that [`ConnectorReceiver::unreadable`] then gives.
    fn next_batch<'a>(&'a mut self, max: usize) -> BoxFuture<'a, Result<Vec<ConnectorEvent>, BackendError>>;

    /// What was met since the last call and cannot be made an event of; it is kept as a dead letter before the next
    /// [`ConnectorReceiver::settle`].
    fn unreadable(&mut self) -> Vec<Unreadable> {
        Vec::new()
    }

    /// Everything that was given so far has been dealt with.
    fn settle<'a>(&'a mut self) -> BoxFuture<'a, Result<(), BackendError>>;
}

/// A connector's function: `async fn(&Api<T, S>, &ConnectorEvent) -> Result<(), E>`, or with `&App` as a third parameter.
///
/// ```
/// # use workflow_shop::*;
/// # use workflow_core::adapter::ConnectorEvent;
/// async fn letter(api: &Api<Order, OrderStatus>, event: &ConnectorEvent) -> Step<()> {
///     let order = Order { cents: serde_json::from_slice(&event.data)? };
///     api.trigger_once(&event.id, &event.key, order).await?;
///     Ok(())
/// }
/// let orders = Workflow::builder("orders")
///     .step(Placed, pay, [Paid, Declined, Shipped])
///     .connector("letters", Feed(&[]), letter)
///     .build()?;
/// assert_eq!(orders.graph().edges().len(), 3);
/// # Ok::<(), DefinitionErrors>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connector of this workflow",
    label = "not a connector's function",
    note = "here it is `async fn(&Api<{T}, {S}>, &ConnectorEvent) -> Step<()>`, or the same with `&App` behind"
)]
pub trait ConnectorFn<'a, T: 'a, S: 'a, App: 'a, Marker>: Send + Sync + 'static {
    /// Calls it.
    fn call(
        &self,
        api: &'a Api<T, S>,
        event: &'a ConnectorEvent,
        app: &'a App,
    ) -> BoxFuture<'a, Result<(), StepError>>;
}

impl<'a, T: 'a, S: Status, App: 'a, F, Fut, E> ConnectorFn<'a, T, S, App, super::step::Plain> for F
where
    F: Fn(&'a Api<T, S>, &'a ConnectorEvent) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'a,
    E: Into<StepError>,
{
    fn call(
        &self,
        api: &'a Api<T, S>,
        event: &'a ConnectorEvent,
        _: &'a App,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        let call = self(api, event);
        Box::pin(async move { call.await.map_err(Into::into) })
    }
}

impl<'a, T: 'a, S: Status, App: 'a, F, Fut, E> ConnectorFn<'a, T, S, App, super::step::WithApp> for F
where
    F: Fn(&'a Api<T, S>, &'a ConnectorEvent, &'a App) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'a,
    E: Into<StepError>,
{
    fn call(
        &self,
        api: &'a Api<T, S>,
        event: &'a ConnectorEvent,
        app: &'a App,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        let call = self(api, event, app);
        Box::pin(async move { call.await.map_err(Into::into) })
    }
}
