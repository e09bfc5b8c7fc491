//! Where a scenario is played: a store that outlives the engines on it, and a clock that stands still.

use std::any::Any;
use std::time::{Duration, Instant};

use workflow_core::adapter::{Backend, Change, Clock, ErrorKind, Store, StoredOutboxRow};
use workflow_core::testing::{Cluster, Kit, ManualClock};
use workflow_core::{Error, Object, Running, Status, Timestamp, Workflow};

/// How long a condition is waited for at most, by the host's clock, before the test fails: several times what the slowest one
/// takes on a machine that does a lot besides, where a commit on a server may take a second.
const PATIENCE: Duration = Duration::from_secs(240);

/// A store, its clock, and kits on it: each new one is as a new process.
pub struct Place {
    make: Box<dyn Fn() -> Kit + Send + Sync>,
    cluster: Box<dyn Fn() -> Cluster + Send + Sync>,
    clock: ManualClock,
    _keep: Box<dyn Any + Send>,
}

impl Place {
    /// A place on a store that goes by this clock; `keep` is dropped with it.
    pub fn new(store: impl Store + Clone, clock: ManualClock, keep: impl Any + Send) -> Self {
        let (of_kits, of_cluster, for_cluster) = (clock.clone(), clock.clone(), store.clone());
        let make = Box::new(move || Kit::on(store.clone(), of_kits.clone()));
        let cluster = Box::new(move || Cluster::on(for_cluster.clone(), of_cluster.clone()));
        Self { make, cluster, clock, _keep: Box::new(keep) }
    }

    /// A process on the store.
    pub fn kit(&self) -> Kit {
        (self.make)()
    }

    /// A cluster on the store, instead of a single process.
    pub fn cluster(&self) -> Cluster {
        (self.cluster)()
    }

    /// The clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The outbox rows that are there.
    pub async fn outbox(&self) -> Vec<StoredOutboxRow> {
        Backend::from(self.kit()).store().outbox(None, 1000).await.unwrap().rows
    }

    /// Stores something past every engine, as another program would.
    pub async fn store(&self, change: Change) {
        Backend::from(self.kit()).store().commit(vec![change], Vec::new()).await.unwrap();
    }

    /// Skips time until the outbox is empty: settled rows go with the next commit, or shortly after.
    pub async fn outbox_is_empty(&self, kit: &Kit) {
        skip_until(kit, "an empty outbox", async || self.outbox().await.is_empty()).await;
    }
}

/// A watchdog by the host's clock: it ends waits for what does not come, and nothing else depends on it.
pub struct Patience(Instant);

impl Patience {
    /// Patience that begins now.
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Whether it has run out. Asked before a look, it lets one more look follow the last moment.
    pub fn is_over(&self) -> bool {
        self.0.elapsed() >= PATIENCE
    }
}

/// Waits until something holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let patience = Patience::begin();
    loop {
        let is_last = patience.is_over();
        if holds() {
            return;
        }
        assert!(!is_last, "{what} does not come true");
        tokio::task::yield_now().await;
    }
}

/// Skips time from one sleep to the next until something holds that has to be asked for.
pub async fn skip_until(kit: &Kit, what: &str, holds: impl AsyncFn() -> bool) {
    let patience = Patience::begin();
    loop {
        let is_last = patience.is_over();
        kit.clock().quiet().await;
        if holds().await {
            return;
        }
        assert!(!is_last, "{what} does not come true, however much time is skipped: {kit:?}");
        kit.clock().skip(Duration::from_hours(24)).await;
    }
}

/// Starts an engine on a store that an engine before it may still have: one that was dropped gives the store back a
/// little later. One that was shut down has given it back, and needs none of this.
pub async fn start<T: Object, S: Status>(flow: &Workflow<T, S>, kit: &Kit) -> Running<T, S> {
    let patience = Patience::begin();
    loop {
        let is_last = patience.is_over();
        match flow.run(kit).await {
            Ok(running) => return running,
            Err(error) => assert!(is_held(&error) && !is_last, "the engine does not start: {error}"),
        }
        tokio::task::yield_now().await;
    }
}

/// Whether an engine was refused because the store has one.
fn is_held(error: &Error) -> bool {
    matches!(error, Error::Backend(error) if error.kind() == ErrorKind::AlreadyRunning)
}

/// Lets time pass, but for no call of the store that is under way; no function of the workflow may be waiting.
pub async fn pass(kit: &Kit, time: Duration) {
    let until = kit.clock().elapsed() + time;
    while kit.clock().skip(until.saturating_sub(kit.clock().elapsed())).await {}
    kit.clock().advance(until.saturating_sub(kit.clock().elapsed())).await;
}
