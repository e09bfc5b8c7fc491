//! What becomes of a workflow's due timers and retries.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::core::{Core, Object};
use super::due::{Taken, TakesDue};
use super::metrics::ProcessMetrics;
use super::moves::OWED_AFTER;
use super::plan::is_retry_of;
use super::role::Scope;
use crate::adapter::{
    BoxFuture, Change, DueTimer, Effect, Fence, Outcome, RetryKey, RetryRow, RetryUpdate, TimerKey,
    TraceContext,
};
use crate::definition::TimeoutPart;
use crate::{Error, EventId, Move, ProcessName, Record, RunState, Status, StatusCode, Transition, header};

/// How long work that the store did not take waits before it is offered again.
const BACK_OFF: std::time::Duration = std::time::Duration::from_millis(200);

/// The header of a stored retry row's event that names the outbox row under which it was sent again.
const SENT_AS: &str = "sent_as";

/// How many retries of one workflow are sent again at once.
const RETRIES_MAX: u32 = 256;

/// The due work of one workflow in this process.
pub(crate) struct DueWork<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
    pub(crate) tasks: TaskTracker,
    /// Which statuses' timeouts this process owns, and as what.
    pub(crate) owned: RwLock<HashMap<StatusCode, Owned>>,
    /// The epoch under which this process deals with the workflow's retries, if that is its part.
    sender: RwLock<Option<Fence>>,
    claimed: Mutex<Claimed>,
    retries: Arc<Semaphore>,
}

/// The role of a status's timeouts, held by this process.
#[derive(Clone)]
pub(crate) struct Owned {
    pub(crate) fence: Fence,
    pub(crate) scope: Scope,
    pub(crate) process: ProcessName,
    pub(crate) metrics: Arc<ProcessMetrics>,
    pub(crate) room: Arc<Semaphore>,
}

/// What is being worked on, so that it is not begun twice.
///
/// What has been dealt with stays claimed until what is due is read again: a reading that began before may still show it.
#[derive(Default)]
struct Claimed {
    timers: HashSet<TimerKey>,
    retries: HashSet<RetryKey>,
    done_timers: Vec<TimerKey>,
    done_retries: Vec<RetryKey>,
}

impl<T: Object, S: Status> DueWork<T, S> {
    pub(crate) fn new(core: Arc<Core<T, S>>, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            core,
            tasks,
            owned: RwLock::default(),
            sender: RwLock::default(),
            claimed: Mutex::default(),
            retries: Arc::new(Semaphore::new(RETRIES_MAX as usize)),
        })
    }

    pub(crate) fn own(&self, status: StatusCode, owned: Option<Owned>) {
        let mut all = self.owned.write().unwrap_or_else(PoisonError::into_inner);
        match owned {
            Some(owned) => all.insert(status, owned),
            None => all.remove(&status),
        };
        drop(all);
        self.core.hub.due.dealt_with();
    }

    /// Takes the workflow's retries over, or leaves them to others; then it waits for those that were begun.
    pub(crate) async fn send_as(&self, fence: Option<Fence>) {
        let leaves = fence.is_none();
        *self.sender.write().unwrap_or_else(PoisonError::into_inner) = fence;
        self.core.hub.due.dealt_with();
        if leaves {
            let _all = self.retries.acquire_many(RETRIES_MAX).await;
        }
    }

    fn sender(&self) -> Option<Fence> {
        self.sender.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn owner_of(&self, status: StatusCode) -> Option<Owned> {
        let all = self.owned.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&status).filter(|owned| !owned.scope.is_over()).cloned()
    }

    fn owner_by_process(&self, process: &ProcessName) -> Option<Owned> {
        let all = self.owned.read().unwrap_or_else(PoisonError::into_inner);
        let mut held = all.values().filter(|owned| !owned.scope.is_over());
        held.find(|owned| is_retry_of(process, &owned.process)).cloned()
    }

    fn claim_timer(&self, key: &TimerKey) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).timers.insert(key.clone())
    }

    fn claim_retry(&self, key: &RetryKey) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).retries.insert(key.clone())
    }

    fn forget_timer(&self, key: TimerKey) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).done_timers.push(key);
        self.core.hub.due.dealt_with();
    }

    fn forget_retry(&self, key: RetryKey) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).done_retries.push(key);
        self.core.hub.due.dealt_with();
    }

    /// The timeout that a timer belongs to.
    pub(crate) fn part_of(&self, timer: &TimerKey, status: StatusCode) -> Option<&TimeoutPart<T, S>> {
        self.core.definition.timeouts_of(status).find(|part| part.name == timer.name)
    }

    /// Stores what was made of due work, on a run that was in `from`; what the store does not take is offered again
    /// after a while.
    pub(crate) async fn store(&self, from: RunState, change: Change) -> Option<Outcome> {
        let next = change.record.as_ref().map(|next| (next.run_id, next.run_state, next.version));
        let outcome = match self.core.hub.commit_one(change).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(error = %super::with_causes(&error), "due work could not be stored");
                self.core.hub.clock.sleep(BACK_OFF).await;
                return None;
            }
        };
        match (&outcome, next) {
            (Outcome::Stored(_), Some((run_id, to, version))) => {
                self.core.metrics.run_state_changed(from, to);
                self.core.signals.cancel(run_id, version);
            }
            // The role is lost, or the row locked, and nothing else would slow down the next try.
            (Outcome::SupersededEpoch { .. } | Outcome::Busy, _) => self.core.hub.clock.sleep(BACK_OFF).await,
            _ => {}
        }
        Some(outcome)
    }

    /// Stores effects without a move.
    pub(crate) async fn store_effects(&self, change: Change) -> Option<Outcome> {
        self.store(RunState::Unknown, change).await
    }

    fn spawn_timer(self: &Arc<Self>, due: DueTimer, owned: Owned) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let room = Arc::clone(&owned.room);
            let _permit = room.acquire().await;
            let key = due.timer.key.clone();
            // What has not begun when the engine ends, or its role, is due for whoever is next.
            let owner = this.owner_of(due.timer.status);
            let is_owned = owner.is_some_and(|now| now.fence.epoch == owned.fence.epoch);
            if is_owned && !this.tasks.is_closed() {
                this.fire(due, &owned, 1, None).await;
            }
            this.forget_timer(key);
        });
    }

    fn spawn_abandoned(self: &Arc<Self>, due: DueTimer) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let key = due.timer.key.clone();
            this.abandon(due).await;
            this.forget_timer(key);
        });
    }

    fn spawn_retry(self: &Arc<Self>, row: RetryRow) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let _permit = this.retries.acquire().await;
            let key = row.key.clone();
            match (this.owner_by_process(&key.process), this.sender()) {
                (Some(owned), _) => this.fire_again(row, &owned).await,
                // Its owner is another process by now.
                (None, _) if super::timeout::is_of_timer(&row) => {}
                (None, Some(fence)) if key.process == this.core.plan.resume_process => {
                    this.resume(row, fence).await;
                }
                (None, Some(fence)) => this.send_again(row, fence).await,
                (None, None) => {}
            }
            this.forget_retry(key);
        });
    }

    /// Sends the event of a failed attempt again, as the next attempt.
    async fn send_again(&self, row: RetryRow, fence: Fence) {
        let mut stored = (*row.event).clone();
        stored.headers.retain(|(name, _)| &**name != SENT_AS);
        if self.is_on_its_way(&row).await {
            let mut change = Change::new(row.key.run_id, crate::adapter::Expect::Nothing);
            change.fence = Some(fence);
            change.effects.push(Effect::ReplaceRetry(again_in_a_while(&row, Arc::clone(&row.event))));
            self.store_effects(change).await;
            return;
        }
        let headers = [
            (header::ATTEMPT, (row.attempt.saturating_add(1)).to_string()),
            (header::RETRY_FOR, row.key.process.to_string()),
        ];
        let mut change = self.core.emit_again(row.key.run_id, row.key.version, &stored, &headers);
        change.fence = Some(fence);
        if self.is_owed(&row) {
            // The run may have gone on; the hook on what it was is owed all the same.
            change.expect = crate::adapter::Expect::Nothing;
        }
        if let Some(sent) = &change.outbox {
            stored.set_header(SENT_AS, sent.id.to_string());
        }
        // It comes back if this event is lost as well; what is made of the event replaces or deletes the row. So may what
        // is made at this moment of the event before it: then nothing is owed, and the row stays gone.
        change.effects.push(Effect::ReplaceRetry(again_in_a_while(&row, Arc::new(stored))));
        if let Some(Outcome::VersionConflict { .. } | Outcome::Missing) = self.store_effects(change).await {
            self.drop_retry(row.key).await;
        }
    }

    /// Whether the event that a row is about has not been dealt with: its outbox row is still there. A backlog must not
    /// be made longer by what waits in it.
    async fn is_on_its_way(&self, row: &RetryRow) -> bool {
        let sent = row.event.header(SENT_AS).and_then(|id| id.parse().ok());
        // A row with failed attempts was written when its event had been dealt with.
        let Some(id) = sent.or(row.event.event_id.filter(|_| row.attempt == 0)) else { return false };
        let before = EventId::from_uuid(uuid::Uuid::from_u128(id.as_uuid().as_u128().wrapping_sub(1)));
        match self.core.hub.store.outbox(Some(&before.to_string()), 1).await {
            Ok(page) => page.rows.first().is_some_and(|first| *first.id == *id.to_string()),
            Err(error) => {
                tracing::warn!(error = %super::with_causes(&error), "the outbox cannot be read");
                true
            }
        }
    }

    /// Whether a hook or a deletion hangs on a row.
    fn is_owed(&self, row: &RetryRow) -> bool {
        RunState::ALL.iter().any(|state| self.core.plan.hook(*state) == Some(&row.key.process))
            || row.key.process == self.core.plan.deletion_process
    }

    /// Resumes a run that the engine paused, unless somebody was faster.
    async fn resume(&self, row: RetryRow, fence: Fence) {
        let Some(record) = self.record_of(&row).await else { return };
        let transition = Transition { to: Move::Resume, object: None };
        let paused_still = record.version == row.key.version && record.run_state == RunState::Paused;
        let trace = TraceContext::of(&row.event.headers);
        let outside = super::moves::Stamp::outside(crate::Actor::Engine);
        let stamp = super::moves::Stamp { fence: Some(fence), trace, ..outside };
        match self.core.change(&record, transition, None, stamp) {
            Ok(change) if paused_still => {
                self.store(record.run_state, change).await;
            }
            _ => self.drop_retry(row.key).await,
        }
    }

    /// The run of a retry row. A row without one is dropped; one whose run cannot be read now is offered again.
    pub(crate) async fn record_of(&self, row: &RetryRow) -> Option<Arc<Record>> {
        match self.core.lookup(row.key.run_id).await {
            Ok(record) => return Some(record),
            Err(Error::Backend(error)) => {
                tracing::warn!(run_id = %row.key.run_id, error = %super::with_causes(&error), "the run of a retry cannot be read");
                self.core.hub.clock.sleep(BACK_OFF).await;
            }
            Err(_) => self.drop_retry(row.key.clone()).await,
        }
        None
    }

    pub(crate) async fn drop_retry(&self, key: RetryKey) {
        let mut change = Change::new(key.run_id, crate::adapter::Expect::Nothing);
        change.effects.push(Effect::DeleteRetry(key));
        self.store_effects(change).await;
    }
}

impl<T: Object, S: Status> TakesDue for DueWork<T, S> {
    fn owns_some(&self) -> bool {
        self.sender().is_some() || !self.owned.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn begin_reading(&self) {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let Claimed { timers, retries, done_timers, done_retries } = &mut *claimed;
        done_timers.drain(..).for_each(|key| {
            timers.remove(&key);
        });
        done_retries.drain(..).for_each(|key| {
            retries.remove(&key);
        });
    }

    fn take_due(self: Arc<Self>, timers: Vec<DueTimer>, retries: Vec<RetryRow>) -> BoxFuture<'static, Taken> {
        let mut taken = Taken::default();
        if self.tasks.is_closed() {
            return Box::pin(std::future::ready(taken));
        }
        let sends = self.sender().is_some();
        for due in timers {
            let Some(owned) = self.owner_of(due.timer.status) else {
                if sends && self.is_abandoned(&due.timer) && self.claim_timer(&due.timer.key) {
                    taken.new += 1;
                    self.spawn_abandoned(due);
                }
                continue;
            };
            if self.claim_timer(&due.timer.key) {
                taken.new += 1;
                self.spawn_timer(due, owned);
            } else {
                taken.busy += 1;
            }
        }
        for row in retries {
            let is_of_timer = super::timeout::is_of_timer(&row);
            let is_mine = if is_of_timer { self.owner_by_process(&row.key.process).is_some() } else { sends };
            if !is_mine {
                // It is left to the owner of the timeouts, or of the retries, who asks again when he becomes that.
                continue;
            }
            if self.claim_retry(&row.key) {
                taken.new += 1;
                self.spawn_retry(row);
            } else {
                taken.busy += 1;
            }
        }
        Box::pin(std::future::ready(taken))
    }
}

/// A retry row as it is, due after a while.
fn again_in_a_while(row: &RetryRow, event: Arc<crate::Event>) -> RetryUpdate {
    RetryUpdate {
        key: row.key.clone(),
        attempt: row.attempt,
        due: Some(crate::Due::In(OWED_AFTER)),
        last_error: Arc::clone(&row.last_error),
        event,
    }
}
