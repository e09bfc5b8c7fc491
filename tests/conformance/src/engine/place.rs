//! Where a scenario is played: a store that outlives the engines on it, and a clock that stands still.

use std::any::Any;
use std::time::{Duration, Instant};

use workflow_core::Timestamp;
use workflow_core::adapter::{Backend, Clock, StoredOutboxRow};
use workflow_core::adapter::{Change, Store};
use workflow_core::testing::{Kit, ManualClock};

/// How long a condition is waited for at most, by the host's clock, before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store, its clock, and kits on it: each new one is as a new process.
pub struct Place {
    make: Box<dyn Fn() -> Kit + Send + Sync>,
    clock: ManualClock,
    _keep: Box<dyn Any + Send>,
}

impl Place {
    /// A place on a store that goes by this clock; `keep` is dropped with it.
    pub fn new(store: impl Store + Clone, clock: ManualClock, keep: impl Any + Send) -> Self {
        let of_kits = clock.clone();
        Self { make: Box::new(move || Kit::on(store.clone(), of_kits.clone())), clock, _keep: Box::new(keep) }
    }

    /// A process on the store.
    pub fn kit(&self) -> Kit {
        (self.make)()
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

/// Waits until something holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come true");
        tokio::task::yield_now().await;
    }
}

/// How often time is skipped to make a condition come true.
const SKIPS_MAX: u32 = 10_000;

/// Skips time from one sleep to the next until something holds that has to be asked for.
pub async fn skip_until(kit: &Kit, what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..SKIPS_MAX {
        kit.clock().quiet().await;
        if holds().await {
            return;
        }
        kit.clock().skip(Duration::from_hours(24)).await;
    }
    panic!("{what} does not come true, however much time is skipped: {kit:?}");
}

/// Lets time pass, but for no call of the store that is under way; no function of the workflow may be waiting.
pub async fn pass(kit: &Kit, time: Duration) {
    let until = kit.clock().elapsed() + time;
    while kit.clock().skip(until.saturating_sub(kit.clock().elapsed())).await {}
    kit.clock().advance(until.saturating_sub(kit.clock().elapsed())).await;
}
