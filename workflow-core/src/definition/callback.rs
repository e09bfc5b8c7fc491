//! What a callback's function gets and is.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::step::{IntoStep, Plain, WithApp};
use crate::adapter::BoxFuture;
use crate::{Next, Run, StepError, terminal};

/// What the caller of a callback sent.
///
/// ```
/// use workflow_core::{Payload, Step};
/// fn tracking_number(payload: &Payload) -> Step<String> {
///     payload.json()
/// }
/// assert_eq!(tracking_number(&Payload::from(br#""1Z-17""#.as_slice())).unwrap(), "1Z-17");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(Bytes);

impl Payload {
    /// The bytes.
    ///
    /// ```
    /// use workflow_core::Payload;
    /// assert_eq!(Payload::from("1Z-17").bytes().as_ref(), b"1Z-17");
    /// ```
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The payload as JSON.
    ///
    /// # Errors
    /// A terminal error that says where it is not what is expected.
    ///
    /// ```
    /// use workflow_core::{Failure, Payload};
    /// assert_eq!(Payload::from("[1, 2]").json::<Vec<u8>>()?, [1, 2]);
    /// let wrong = Payload::from("[1, 2").json::<Vec<u8>>().unwrap_err();
    /// assert_eq!(wrong.failure(), Failure::Terminal);
    /// assert!(wrong.reason().contains("line 1 column 5"), "{wrong:?}");
    /// # Ok::<(), workflow_core::StepError>(())
    /// ```
    pub fn json<V: DeserializeOwned>(&self) -> Result<V, StepError> {
        serde_json::from_slice(&self.0)
            .map_err(|error| terminal(format!("the payload is not the expected JSON: {error}")))
    }
}

impl<B: Into<Bytes>> From<B> for Payload {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

/// A callback's function: `async fn(&mut Run<T, S>, Payload) -> Step<S>`, or with `&App` as a third parameter.
///
/// ```
/// # use workflow_shop::*;
/// async fn plain(_: &mut Run<Order, OrderStatus>, _: Payload) -> Step<OrderStatus> {
///     Ok(Shipped)
/// }
/// async fn with_state(_: &mut Run<Order, OrderStatus>, _: Payload, fee: &u64) -> Step<OrderStatus> {
///     Ok(if *fee > 0 { Declined } else { Shipped })
/// }
/// let orders = Workflow::builder("orders")
///     .step(Placed, pay, [Paid])
///     .callback(Paid, plain, [Shipped])
///     .callback(Paid, with_state, [Shipped, Declined])
///     .state(3)
///     .build()?;
/// assert_eq!(orders.graph().edges().len(), 3);
/// # Ok::<(), DefinitionErrors>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a callback of this workflow",
    label = "not a callback's function",
    note = "here it is `async fn(&mut Run<{T}, {S}>, Payload) -> Step<{S}>`, or the same with `&App` behind"
)]
pub trait CallbackFn<'a, T: 'a, S: 'a, App: 'a, Marker>: Send + Sync + 'static {
    /// Calls it.
    fn call(
        &self,
        run: &'a mut Run<T, S>,
        payload: Payload,
        app: &'a App,
    ) -> BoxFuture<'a, Result<Next<S>, StepError>>;
}

impl<'a, T: 'a, S: 'a, App: 'a, F, Fut> CallbackFn<'a, T, S, App, Plain> for F
where
    F: Fn(&'a mut Run<T, S>, Payload) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'a,
    Fut::Output: IntoStep<S>,
{
    fn call(
        &self,
        run: &'a mut Run<T, S>,
        payload: Payload,
        _: &'a App,
    ) -> BoxFuture<'a, Result<Next<S>, StepError>> {
        let call = self(run, payload);
        Box::pin(async move { call.await.into_step() })
    }
}

impl<'a, T: 'a, S: 'a, App: 'a, F, Fut> CallbackFn<'a, T, S, App, WithApp> for F
where
    F: Fn(&'a mut Run<T, S>, Payload, &'a App) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'a,
    Fut::Output: IntoStep<S>,
{
    fn call(
        &self,
        run: &'a mut Run<T, S>,
        payload: Payload,
        app: &'a App,
    ) -> BoxFuture<'a, Result<Next<S>, StepError>> {
        let call = self(run, payload, app);
        Box::pin(async move { call.await.into_step() })
    }
}
