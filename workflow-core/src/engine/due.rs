//! Timers and retries that are due: one query for all workflows of a store, when the next one is due.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use crate::WorkflowName;
use crate::adapter::{BoxFuture, Change, Clock, DueTimer, RetryRow, Waking};

/// How many due timers and retries one query gives.
const DUE_MAX: usize = 1000;

/// How many are looked at when none of a page can be taken over.
const DUE_LOOK_MAX: usize = 64 * DUE_MAX;

/// How long the poller waits after an error, and before it looks again at what it could not take.
const BACK_OFF: Duration = Duration::from_millis(500);

/// What takes the due work of one workflow.
pub(crate) trait TakesDue: Send + Sync {
    /// Whether this process owns a role by which some of it is its own.
    fn owns_some(&self) -> bool;

    /// What is due is about to be read: what has been dealt with by now may be taken again, if it is due again.
    fn begin_reading(&self);

    /// Takes over what it does not have already, and comes back at once; rings when it has dealt with some of it.
    fn take_due(self: Arc<Self>, timers: Vec<DueTimer>, retries: Vec<RetryRow>) -> BoxFuture<'static, Taken>;
}

/// How much of the due work was taken over.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taken {
    /// How many were new.
    pub(crate) new: usize,
    /// How many are being worked on already, or again.
    pub(crate) busy: usize,
}

/// When the poller has to look, as far as this process knows.
pub(crate) struct DueHints {
    clock: Arc<dyn Clock>,
    /// The instant for which the poller is waiting, in milliseconds.
    waiting_for: AtomicI64,
    /// The earliest instant that was stored since.
    earliest: AtomicI64,
    wake: Notify,
}

impl DueHints {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            waiting_for: AtomicI64::new(i64::MAX),
            earliest: AtomicI64::new(i64::MAX),
            wake: Notify::new(),
        }
    }

    /// When the first of what these changes store will be due, in milliseconds; `i64::MAX` if nothing will.
    pub(crate) fn earliest_of(&self, changes: &[Change]) -> i64 {
        let mut dues = changes
            .iter()
            .filter(|change| !change.effects.is_empty())
            .flat_map(super::commit::dues)
            .peekable();
        if dues.peek().is_none() {
            return i64::MAX;
        }
        let now = self.clock.now();
        dues.map(|due| due.resolve(now).as_millis()).min().unwrap_or(i64::MAX)
    }

    /// Something due then has been stored: wakes the poller if it would not look by itself before.
    pub(crate) fn ring(&self, earliest: i64) {
        if earliest == i64::MAX {
            return;
        }
        self.earliest.fetch_min(earliest, Ordering::AcqRel);
        if earliest < self.waiting_for.load(Ordering::Acquire) {
            self.wake.notify_one();
        }
    }

    /// Wakes the poller: some of what it gave out has been dealt with.
    pub(crate) fn dealt_with(&self) {
        self.wake.notify_one();
    }
}

/// The workflows of a hub that take due work.
pub(crate) type Takers = HashMap<WorkflowName, Weak<dyn TakesDue>>;

/// Gives out what is due, and sleeps until the next is.
pub(crate) async fn poll_due(hub: Arc<Hub>, scope: CancellationToken) {
    loop {
        let wait = tokio::select! {
            wait = give_out(&hub) => wait,
            () = scope.cancelled() => return,
        };
        tokio::select! {
            () = super::sleep_at_most(&*hub.clock, wait) => {}
            () = hub.due.wake.notified() => {}
            () = scope.cancelled() => return,
        }
    }
}

/// Gives out one page; tells how long to sleep.
async fn give_out(hub: &Hub) -> Duration {
    let ceiling = match hub.store.waking() {
        Waking::Poll(ceiling) => ceiling,
        Waking::Never => Duration::MAX,
    };
    let takers = hub.takers();
    if takers.is_empty() {
        return Duration::MAX;
    }
    // Whatever is stored from here on wakes this loop again, even if the query below sees it already.
    hub.due.earliest.store(i64::MAX, Ordering::Release);
    hub.due.waiting_for.store(i64::MAX, Ordering::Release);
    takers.values().filter_map(Weak::upgrade).for_each(|taker| taker.begin_reading());
    let names: Vec<WorkflowName> = takers.keys().cloned().collect();
    let mut limit = DUE_MAX;
    let (next_in, taken) = loop {
        let work = match hub.store.due(&names, limit).await {
            Ok(work) => work,
            Err(error) => {
                tracing::warn!(error = %super::with_causes(&error), "due timers and retries cannot be read");
                return BACK_OFF;
            }
        };
        let next_in = work.next_in;
        let taken = give_each(&takers, work.timers, work.retries).await;
        // A page of nothing but what is being worked on, or is nobody's here, must not hide what is behind it.
        if taken.new > 0 || next_in != Some(Duration::ZERO) || limit >= DUE_LOOK_MAX {
            break (next_in, taken);
        }
        limit *= 4;
    };
    let wait = match next_in {
        // More is due than one page holds: what was given out rings when it is done.
        Some(Duration::ZERO) if taken.busy > 0 || taken.new > 0 => BACK_OFF,
        Some(Duration::ZERO) => BACK_OFF.min(ceiling),
        Some(wait) => wait.min(ceiling),
        None => ceiling,
    };
    let until = if wait == Duration::MAX { i64::MAX } else { (hub.clock.now() + wait).as_millis() };
    hub.due.waiting_for.store(until, Ordering::Release);
    if hub.due.earliest.load(Ordering::Acquire) < until {
        hub.due.wake.notify_one();
    }
    wait
}

async fn give_each(takers: &Takers, timers: Vec<DueTimer>, retries: Vec<RetryRow>) -> Taken {
    let mut parts: HashMap<WorkflowName, (Vec<DueTimer>, Vec<RetryRow>)> = HashMap::new();
    for timer in timers {
        parts.entry(timer.timer.workflow_name.clone()).or_default().0.push(timer);
    }
    for retry in retries {
        parts.entry(retry.event.workflow_name.clone()).or_default().1.push(retry);
    }
    let mut taken = Taken::default();
    for (name, (timers, retries)) in parts {
        if let Some(taker) = takers.get(&name).and_then(Weak::upgrade) {
            let part = taker.take_due(timers, retries).await;
            taken.new += part.new;
            taken.busy += part.busy;
        }
    }
    taken
}
