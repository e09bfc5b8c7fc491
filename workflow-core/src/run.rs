//! What a user's function sees of a run; what it can answer is in `answer`.

mod answer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

pub use self::answer::{Failure, Next, Step, StepError, retryable, terminal};
use crate::adapter::{Attached, Fence};
use crate::{Epoch, ForeignId, Record, RunId, Status, Timestamp, Version};

/// A run in the hands of a user's function: its object, and what the engine knows of it.
///
/// A step changes [`Run::object`] and returns the next status; the object is stored with the transition or not at all.
///
/// ```
/// # use workflow_shop::*;
/// # type Told = tokio::sync::mpsc::UnboundedSender<String>;
/// async fn charge(run: &mut Run<Order, OrderStatus>, told: &Told) -> Step<OrderStatus> {
///     assert_eq!((run.status(), run.version(), run.attempt()), (Placed, Version::FIRST, 1));
///     assert_eq!(run.created_at(), run.updated_at());
///     assert_eq!((run.record().run_id, run.foreign_id().as_str()), (run.id(), "order-17"));
///     assert_eq!(run.idempotency_key(), format!("{}:1", run.id()));
///     assert!(run.epoch().is_some());
///     told.send(run.idempotency_key())?;
///     run.object.cents -= 200;
///     Ok(Paid)
/// }
///
/// # example!(
/// # let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
/// let orders = Workflow::builder("orders")
///     .step(Placed, charge, [Paid, Declined]).with(Options::new().pause_after(1))
///     .callback(Paid, scanned, [Shipped])
///     .state(told)
///     .build()?;
/// let running = orders.run(Memory::new()).await?;
/// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
/// assert_eq!(running.wait_for(&run).status(Paid).await?.run().object()?.cents, 4_000);
/// # assert_eq!(heard.recv().await, Some(format!("{run}:1")));
/// # );
/// ```
pub struct Run<T, S> {
    /// The user's object.
    pub object: T,
    status: S,
    record: Arc<Record>,
    attempt: u32,
    fence: Option<Fence>,
    signals: Arc<CancelSignals>,
    attached: Vec<Attached>,
}

impl<T, S: Status> Run<T, S> {
    pub(crate) fn new(object: T, status: S, record: Arc<Record>, call: CallContext) -> Self {
        let CallContext { attempt, fence, signals } = call;
        Self { object, status, record, attempt, fence, signals, attached: Vec::new() }
    }

    /// The run's id.
    pub fn id(&self) -> RunId {
        self.record.run_id
    }

    /// The business key that the run was triggered with.
    pub fn foreign_id(&self) -> &ForeignId {
        &self.record.foreign_id
    }

    /// The status that the run is in.
    pub fn status(&self) -> S {
        self.status
    }

    /// How often the run has been stored.
    pub fn version(&self) -> Version {
        self.record.version
    }

    /// Which attempt at this version this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When the run was triggered, by the store's clock.
    pub fn created_at(&self) -> Timestamp {
        self.record.created_at
    }

    /// When the run was last stored, by the store's clock.
    pub fn updated_at(&self) -> Timestamp {
        self.record.updated_at
    }

    /// The run as it is stored, untyped.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// `run:version`: the same for every attempt at this version, and for no other. Pass it to services that can tell
    /// a repeated request from a new one.
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}", self.record.run_id, self.record.version)
    }

    /// The epoch of the role that runs this: rises with each owner. Pass it to services that refuse older owners.
    pub fn epoch(&self) -> Option<Epoch> {
        self.fence.as_ref().map(|fence| fence.epoch)
    }

    /// Waits until the run is cancelled or paused, or the engine shuts down. What the function returns after that is not
    /// stored; it is dropped after a grace.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # type Told = tokio::sync::mpsc::UnboundedSender<&'static str>;
    /// async fn transfer(run: &mut Run<Order, OrderStatus>, told: &Told) -> Step<Next<OrderStatus>> {
    ///     let told = told.clone();
    ///     told.send("begun")?;
    ///     tokio::select! {
    ///         () = std::future::pending() => Ok(Next::go_to(Paid)),
    ///         () = run.cancelled() => {
    ///             told.send("taken back")?;
    ///             Ok(Next::skip())
    ///         }
    ///     }
    /// }
    ///
    /// # example!(
    /// # let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, transfer, [Paid, Declined])
    ///     .callback(Paid, scanned, [Shipped])
    ///     .state(told)
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert_eq!(heard.recv().await, Some("begun"));
    /// running.cancel(&run, "changed their mind").await?;
    /// assert_eq!(heard.recv().await, Some("taken back"));
    /// # );
    /// ```
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.signals.subscribe((self.record.run_id, self.record.version)).cancelled_owned()
    }

    /// Adds work on the same database that commits with this transition or not at all. It is made by the store's
    /// crate, and may run more than once, as a transaction may.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// use workflow_core::adapter::Attached;
    ///
    /// async fn charge(run: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    ///     // Memory has no tables that work could write to, and says so.
    ///     run.attach(Attached::new("a number"));
    ///     Ok(Paid)
    /// }
    ///
    /// # example!(
    /// let orders = Workflow::builder("orders")
    ///     .step(Placed, charge, [Paid, Declined]).with(Options::new().pause_after(1).in_place_retries(0))
    ///     .callback(Paid, scanned, [Shipped])
    ///     .build()?;
    /// let running = orders.run(Memory::new()).await?;
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// assert_eq!(running.wait_for(&run).at_rest().await?.run_state(), RunState::Paused);
    /// # );
    /// ```
    pub fn attach(&mut self, work: Attached) {
        self.attached.push(work);
    }

    pub(crate) fn take_attached(&mut self) -> Vec<Attached> {
        std::mem::take(&mut self.attached)
    }

    /// Shows the run as it will be stored, for the timers of the status that it enters.
    pub(crate) fn enter(&mut self, status: S, record: Arc<Record>) -> Arc<Record> {
        self.status = status;
        std::mem::replace(&mut self.record, record)
    }
}

impl<T: fmt::Debug, S: Status> fmt::Debug for Run<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("id", &self.record.run_id)
            .field("foreign_id", &self.record.foreign_id)
            .field("status", &self.status.name())
            .field("version", &self.record.version.get())
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

/// What a call of a user's function carries beside the record.
#[derive(Clone)]
pub(crate) struct CallContext {
    pub(crate) attempt: u32,
    pub(crate) fence: Option<Fence>,
    pub(crate) signals: Arc<CancelSignals>,
}

/// The calls of one process that are to be told when their run is moved; one that never asks costs nothing.
///
/// They are told apart by the version that they work on: a call on the version that a move has stored may be under way
/// before the move's caller gets to tell those before it.
#[derive(Default)]
pub(crate) struct CancelSignals {
    all: CancellationToken,
    calls: Mutex<BTreeMap<CallKey, Signal>>,
}

/// What a call works on.
pub(crate) type CallKey = (RunId, Version);

struct Signal {
    token: CancellationToken,
    /// How many calls are under way that wait for it.
    calls: usize,
}

impl CancelSignals {
    fn subscribe(&self, call: CallKey) -> CancellationToken {
        self.lock().entry(call).or_insert_with(|| Signal::of(&self.all)).token.clone()
    }

    /// The signal of a call that did not end at once.
    pub(crate) fn begin(&self, call: CallKey) -> CancellationToken {
        let mut calls = self.lock();
        let signal = calls.entry(call).or_insert_with(|| Signal::of(&self.all));
        signal.calls += 1;
        signal.token.clone()
    }

    /// A call has ended; `begun` tells whether it had asked for its signal.
    pub(crate) fn end(&self, call: CallKey, begun: bool) {
        let mut calls = self.lock();
        let Some(signal) = calls.get_mut(&call) else { return };
        signal.calls -= usize::from(begun);
        if signal.calls == 0 {
            calls.remove(&call);
        }
    }

    /// Tells the calls on versions of a run that were before the one that is stored now.
    pub(crate) fn cancel(&self, run_id: RunId, stored: Version) {
        for (_, signal) in self.lock().range((run_id, Version::FIRST)..(run_id, stored)) {
            signal.token.cancel();
        }
    }

    /// Tells every run of the process.
    pub(crate) fn cancel_all(&self) {
        self.all.cancel();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<CallKey, Signal>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signal {
    fn of(all: &CancellationToken) -> Self {
        Self { token: all.child_token(), calls: 0 }
    }
}
