//! How a workflow is put together: its parts. What can be said about them is in `settings`.

use std::sync::Arc;

use super::callback::CallbackFn;
use super::connector::{ConnectorFn, ConnectorSource};
use super::draft::{Draft, DraftPart, Part};
use super::parts::{CallbackCall, ConnectorCall, HookCall, StepCall, TimerCall};
use super::step::{HookFn, StepFn};
use super::timer::TimerFn;
use super::{DefinitionErrors, Schedule, Workflow};
use crate::{RunState, Status};

/// Puts a workflow together; made by [`Workflow::builder`].
///
/// `T` is the object, `S` the status enum and `App` the state that the functions share; all three are found from the
/// functions that are given. [`Builder::with`] and the like say more about the part before them.
///
/// ```
/// # use workflow_shop::*;
/// let orders = Workflow::builder("orders")
///     .step(Placed, pay, [Paid, Declined]).with(Options::new().shards(4))
///     .callback(Paid, scanned, [Shipped])
///     .timeout(Paid, after(Duration::from_hours(48)), decline, [Declined])
///     .build()?;
/// assert_eq!(orders.name().as_str(), "orders");
/// # Ok::<(), DefinitionErrors>(())
/// ```
#[must_use = "a workflow is made by .build()"]
pub struct Builder<T, S, App> {
    pub(super) draft: Draft<T, S>,
    /// What waits for the shared state.
    pub(super) bind: Vec<Bind<T, S, App>>,
    /// Whether nothing has been said since the last part that could be taken for one.
    pub(super) follows_part: bool,
}

/// A part that is made when the shared state is known.
pub(super) type Bind<T, S, App> = Box<dyn FnOnce(&Arc<App>) -> DraftPart<T, S> + Send>;

impl<T, S, App> Builder<T, S, App>
where
    T: Send + Sync + 'static,
    S: Status,
    App: Send + Sync + 'static,
{
    pub(crate) fn new(name: String) -> Self {
        Self { draft: Draft::new(name), bind: Vec::new(), follows_part: true }
    }

    fn add(mut self, make: impl FnOnce(&Arc<App>) -> Part<T, S> + Send + 'static) -> Self {
        self.follows_part = true;
        self.bind.push(Box::new(move |app| DraftPart::new(make(app))));
        self
    }

    /// Adds the step of a status: an async function that takes the run and gives one of the statuses `to`.
    ///
    /// The function is `async fn(&mut Run<T, S>) -> Step<S>`, or the same with `&App` behind if it needs what
    /// [`Builder::state`] shares. It may return a bare status, or `Step<Next<S>>` for everything that a run can do.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn ship(_: &mut Run<Order, OrderStatus>) -> OrderStatus {
    ///     Shipped
    /// }
    ///
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .step(Paid, ship, [Shipped])
    ///     .build()?;
    /// assert_eq!(orders.graph().terminal().collect::<Vec<_>>(), ["Declined", "Shipped"]);
    /// # Ok::<(), DefinitionErrors>(())
    /// ```
    pub fn step<F, M>(self, from: S, function: F, to: impl IntoIterator<Item = S>) -> Self
    where
        F: for<'a> StepFn<'a, T, S, App, M>,
        M: 'static,
    {
        let to: Vec<S> = to.into_iter().collect();
        self.add(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: StepCall<T, S> = Arc::new(move |run| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(run, &app).await })
            });
            Part::Step { from, call, to }
        })
    }

    /// Adds a callback of a status: an async function that takes the run and a [`Payload`](crate::Payload), called by
    /// [`Client::callback`](crate::Client::callback). A status may have several, which are called in order until one of
    /// them moves the run.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// async fn delivered(_: &mut Run<Order, OrderStatus>, payload: Payload) -> Step<OrderStatus> {
    ///     let tracking_number: String = payload.json()?;
    ///     Ok(if tracking_number.is_empty() { Declined } else { Shipped })
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid])
    ///     .callback(Paid, delivered, [Shipped, Declined])
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// running.wait_for(&run).status(Paid).await?;
    /// assert!(running.callback(Paid, "order-17", r#""1Z-17""#).await?.is_applied());
    /// # );
    /// ```
    pub fn callback<F, M>(self, from: S, function: F, to: impl IntoIterator<Item = S>) -> Self
    where
        F: for<'a> CallbackFn<'a, T, S, App, M>,
        M: 'static,
    {
        let to: Vec<S> = to.into_iter().collect();
        self.add(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: CallbackCall<T, S> = Arc::new(move |run, payload| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(run, payload, &app).await })
            });
            Part::Callback { from, call, to, buffered: false }
        })
    }

    /// Adds a timeout of a status: when the timer is due and the run is still there, the function is called as a step
    /// is. The timer is [`after`](crate::after), [`at`](crate::at), or a function of the run, asked when the status is
    /// entered.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .timeout(Paid, after(Duration::from_millis(1)), decline, [Declined])
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert_eq!(running.wait_for(&run).finished().await?.status(), Declined);
    /// # );
    /// ```
    pub fn timeout<F, M>(
        self,
        from: S,
        timer: impl TimerFn<T, S>,
        function: F,
        to: impl IntoIterator<Item = S>,
    ) -> Self
    where
        F: for<'a> StepFn<'a, T, S, App, M>,
        M: 'static,
    {
        let to: Vec<S> = to.into_iter().collect();
        let timer: TimerCall<T, S> = Arc::new(move |run| timer.due(run));
        self.add(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: StepCall<T, S> = Arc::new(move |run| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(run, &app).await })
            });
            Part::Timeout { from, name: None, timer, call, to }
        })
    }

    /// Calls a function when a run has been paused, by whomever.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # type Told = tokio::sync::mpsc::UnboundedSender<String>;
    /// async fn tell_support(run: &mut Run<Order, OrderStatus>, told: &Told) -> Step<()> {
    ///     told.send(format!("{}: {}", run.foreign_id(), run.record().run_state_reason))?;
    ///     Ok(())
    /// }
    ///
    /// # example!(
    /// # let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .on_pause(tell_support)
    ///     .state(told)
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// running.pause(&run, "asked by phone").await?;
    /// assert_eq!(heard.recv().await.as_deref(), Some("order-17: asked by phone"));
    /// # );
    /// ```
    pub fn on_pause<F, M>(self, function: F) -> Self
    where
        F: for<'a> HookFn<'a, T, S, App, M>,
        M: 'static,
    {
        self.hook(RunState::Paused, function)
    }

    /// Calls a function when a run has been cancelled.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # type Told = tokio::sync::mpsc::UnboundedSender<u64>;
    /// async fn refund(run: &mut Run<Order, OrderStatus>, told: &Told) -> Step<()> {
    ///     told.send(run.object.cents)?;
    ///     Ok(())
    /// }
    ///
    /// # example!(
    /// # let (told, mut refunds) = tokio::sync::mpsc::unbounded_channel();
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .on_cancel(refund)
    ///     .state(told)
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// running.cancel(&run, "changed their mind").await?;
    /// assert_eq!(refunds.recv().await, Some(4_200));
    /// # );
    /// ```
    pub fn on_cancel<F, M>(self, function: F) -> Self
    where
        F: for<'a> HookFn<'a, T, S, App, M>,
        M: 'static,
    {
        self.hook(RunState::Cancelled, function)
    }

    /// Calls a function when a run has reached a terminal status.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # type Told = tokio::sync::mpsc::UnboundedSender<OrderStatus>;
    /// async fn send_receipt(run: &mut Run<Order, OrderStatus>, told: &Told) -> Step<()> {
    ///     told.send(run.status())?;
    ///     Ok(())
    /// }
    ///
    /// # example!(
    /// # let (told, mut receipts) = tokio::sync::mpsc::unbounded_channel();
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .on_complete(send_receipt)
    ///     .state(told)
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// running.trigger("order-17", Order { cents: 50_000 }).await?;
    /// assert_eq!(receipts.recv().await, Some(Declined));
    /// # );
    /// ```
    pub fn on_complete<F, M>(self, function: F) -> Self
    where
        F: for<'a> HookFn<'a, T, S, App, M>,
        M: 'static,
    {
        self.hook(RunState::Completed, function)
    }

    fn hook<F, M>(self, run_state: RunState, function: F) -> Self
    where
        F: for<'a> HookFn<'a, T, S, App, M>,
        M: 'static,
    {
        self.add(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: HookCall<T, S> = Arc::new(move |run| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(run, &app).await })
            });
            Part::Hook { run_state, call }
        })
    }

    /// Feeds the events of a source into a function that can trigger, call back and cancel.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// use workflow_core::adapter::ConnectorEvent;
    ///
    /// async fn order(api: &Api<Order, OrderStatus>, event: &ConnectorEvent) -> Step<()> {
    ///     let order = Order { cents: serde_json::from_slice(&event.data)? };
    ///     api.trigger_once(&event.id, &format!("letter-{}", event.id), order).await?;
    ///     Ok(())
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .connector("letters", Feed(&["4200", "50000"]), order)
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// # while running.latest("letter-1").await?.is_none() { tokio::task::yield_now().await; }
    /// assert_eq!(running.latest("letter-1").await?.unwrap().object()?.cents, 50_000);
    /// # );
    /// ```
    pub fn connector<F, M>(self, name: impl Into<String>, source: impl ConnectorSource, function: F) -> Self
    where
        F: for<'a> ConnectorFn<'a, T, S, App, M>,
        M: 'static,
    {
        let (name, source) = (name.into(), Arc::new(source));
        self.add(move |app| {
            let app = Arc::clone(app);
            let function = Arc::new(function);
            let call: ConnectorCall<T, S> = Arc::new(move |api, event| {
                let (function, app) = (Arc::clone(&function), Arc::clone(&app));
                Box::pin(async move { function.call(api, event, &app).await })
            });
            Part::Connector { name, source, call }
        })
    }

    /// Starts runs by itself.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, pay, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .schedule(Schedule::new("milk", "0 6 * * mon-fri", || Order { cents: 180 }))
    ///     .schedule(Schedule::new("bread", "0 6 * * sat-mon", || Order { cents: 350 }))
    ///     .build();
    /// let problems = orders.unwrap_err().problems;
    /// assert!(problems[0].to_string().contains("day of week \"sat-mon\""), "{problems:?}");
    /// ```
    pub fn schedule(mut self, schedule: Schedule<T, S>) -> Self {
        self.follows_part = false;
        self.draft.schedules.push(schedule);
        self
    }

    /// Checks the whole and makes the workflow. Functions that take `&App` need [`Builder::state`] before.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// let orders = Workflow::builder("orders").step(Placed, pay, [Paid]).step(Placed, pay, [Declined]).build();
    /// assert_eq!(
    ///     orders.unwrap_err().to_string(),
    ///     "workflow \"orders\" cannot be built
    ///   - status Placed has two steps: a status has one
    ///   - status Shipped cannot be reached from Placed: add a way to it, or remove it"
    /// );
    /// ```
    pub fn build(self) -> Result<Workflow<T, S>, DefinitionErrors>
    where
        Nothing: Gives<App>,
    {
        self.state(Nothing::give()).draft.finish().map(Workflow::new)
    }
}

/// What is left to give when a workflow is built.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nothing;

/// What [`Builder::build`] asks of the shared state: that there is none, or that it has been given. The state is not the
/// one that implements, so that where no function takes any, the compiler finds that it is `()`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the functions of this workflow share `&{App}`, which has not been given",
    label = "the shared state is missing",
    note = "give it by `.state(..)` before `.build()`"
)]
pub trait Gives<App> {
    /// The state that is left to give.
    fn give() -> App;
}

impl Gives<()> for Nothing {
    fn give() {}
}
