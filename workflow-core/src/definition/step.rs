//! Which functions can be steps and hooks.

use crate::adapter::BoxFuture;
use crate::{Next, Run, Status, StepError};

/// Marks a function without shared state.
#[doc(hidden)]
#[derive(Debug)]
pub struct Plain;

/// Marks a function whose last parameter is the shared state.
#[doc(hidden)]
#[derive(Debug)]
pub struct WithApp;

/// What a step may return: a status, `Step<Status>`, or `Step<Next<Status>>`.
///
/// ```
/// # use workflow_shop::*;
/// assert_eq!(Paid.into_step().unwrap(), Next::GoTo(Paid));
/// assert_eq!(Step::Ok(Paid).into_step().unwrap(), Next::GoTo(Paid));
/// assert_eq!(Step::Ok(Next::<OrderStatus>::Repeat).into_step().unwrap(), Next::Repeat);
/// ```
pub trait IntoStep<S> {
    /// Makes the one form of it.
    ///
    /// # Errors
    /// The user's own.
    fn into_step(self) -> Result<Next<S>, StepError>;
}

impl<S: Status> IntoStep<S> for S {
    fn into_step(self) -> Result<Next<S>, StepError> {
        Ok(Next::GoTo(self))
    }
}

impl<S: Status, N: Into<Next<S>>, E: Into<StepError>> IntoStep<S> for Result<N, E> {
    fn into_step(self) -> Result<Next<S>, StepError> {
        self.map(Into::into).map_err(Into::into)
    }
}

/// A step's function: `async fn(&mut Run<T, S>) -> Step<S>`, or with `&App` as a second parameter.
///
/// ```
/// # use workflow_shop::*;
/// async fn plain(_: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
///     Ok(Paid)
/// }
/// async fn with_state(run: &mut Run<Order, OrderStatus>, limit: &u64) -> OrderStatus {
///     if run.object.cents > *limit { Declined } else { Shipped }
/// }
/// let orders = Workflow::builder("orders")
///     .step(Placed, plain, [Paid])
///     .step(Paid, with_state, [Shipped, Declined])
///     .state(10_000)
///     .build()?;
/// assert_eq!(orders.graph().edges().len(), 3);
/// # Ok::<(), DefinitionErrors>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step of this workflow",
    label = "not a step",
    note = "here a step is `async fn(&mut Run<{T}, {S}>) -> Step<{S}>`, or the same with `&App` behind",
    note = "what `App` is, all functions of a workflow agree on; a step may return `{S}` or `Step<Next<{S}>>` too"
)]
pub trait StepFn<'a, T: 'a, S: 'a, App: 'a, Marker>: Send + Sync + 'static {
    /// Calls it.
    fn call(&self, run: &'a mut Run<T, S>, app: &'a App) -> BoxFuture<'a, Result<Next<S>, StepError>>;
}

impl<'a, T: 'a, S: 'a, App: 'a, F, Fut> StepFn<'a, T, S, App, Plain> for F
where
    F: Fn(&'a mut Run<T, S>) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'a,
    Fut::Output: IntoStep<S>,
{
    fn call(&self, run: &'a mut Run<T, S>, _: &'a App) -> BoxFuture<'a, Result<Next<S>, StepError>> {
        let call = self(run);
        Box::pin(async move { call.await.into_step() })
    }
}

impl<'a, T: 'a, S: 'a, App: 'a, F, Fut> StepFn<'a, T, S, App, WithApp> for F
where
    F: Fn(&'a mut Run<T, S>, &'a App) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'a,
    Fut::Output: IntoStep<S>,
{
    fn call(&self, run: &'a mut Run<T, S>, app: &'a App) -> BoxFuture<'a, Result<Next<S>, StepError>> {
        let call = self(run, app);
        Box::pin(async move { call.await.into_step() })
    }
}

/// A hook's function: `async fn(&mut Run<T, S>) -> Result<(), E>`, or with `&App` as a second parameter.
///
/// ```
/// # use workflow_shop::*;
/// async fn log(run: &mut Run<Order, OrderStatus>) -> Step<()> {
///     println!("{run:?}");
///     Ok(())
/// }
/// let orders = Workflow::builder("orders")
///     .step(Placed, pay, [Paid, Declined, Shipped])
///     .on_complete(log)
///     .on_complete(log)
///     .build();
/// assert!(orders.unwrap_err().to_string().contains("there are two hooks on Completed: one is allowed"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hook of this workflow",
    label = "not a hook",
    note = "here a hook is `async fn(&mut Run<{T}, {S}>) -> Step<()>`, or the same with `&App` behind"
)]
pub trait HookFn<'a, T: 'a, S: 'a, App: 'a, Marker>: Send + Sync + 'static {
    /// Calls it.
    fn call(&self, run: &'a mut Run<T, S>, app: &'a App) -> BoxFuture<'a, Result<(), StepError>>;
}

impl<'a, T: 'a, S: 'a, App: 'a, F, Fut, E> HookFn<'a, T, S, App, Plain> for F
where
    F: Fn(&'a mut Run<T, S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'a,
    E: Into<StepError>,
{
    fn call(&self, run: &'a mut Run<T, S>, _: &'a App) -> BoxFuture<'a, Result<(), StepError>> {
        let call = self(run);
        Box::pin(async move { call.await.map_err(Into::into) })
    }
}

impl<'a, T: 'a, S: 'a, App: 'a, F, Fut, E> HookFn<'a, T, S, App, WithApp> for F
where
    F: Fn(&'a mut Run<T, S>, &'a App) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'a,
    E: Into<StepError>,
{
    fn call(&self, run: &'a mut Run<T, S>, app: &'a App) -> BoxFuture<'a, Result<(), StepError>> {
        let call = self(run, app);
        Box::pin(async move { call.await.map_err(Into::into) })
    }
}
