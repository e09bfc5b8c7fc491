//! Which functions can be steps and hooks.

use crate::adapter::BoxFuture;
use crate::{Next, Run, Status, StepError};

/// Marks a function without shared state.
#[derive(Debug)]
pub struct Plain;

/// Marks a function whose last parameter is the shared state.
#[derive(Debug)]
pub struct WithApp;

/// What a step may return: a status, `Step<Status>`, or `Step<Next<Status>>`.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step of this workflow",
    label = "not a step",
    note = "a step is `async fn(&mut Run<T, S>) -> Step<S>` or `async fn(&mut Run<T, S>, &App) -> Step<S>`"
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hook of this workflow",
    label = "not a hook",
    note = "a hook is `async fn(&mut Run<T, S>) -> Step<()>` or `async fn(&mut Run<T, S>, &App) -> Step<()>`"
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
