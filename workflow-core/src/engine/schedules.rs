//! The processes that start runs by themselves.

use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use super::core::{Core, Object, unexpected};
use super::metrics::ProcessMetrics;
use super::role::{Process, Scope};
use super::trigger::NewRun;
use crate::adapter::{BackendError, BoxFuture, Change, Effect, ErrorKind, Expect, Fence, Outcome, SlotKey};
use crate::definition::SchedulePart;
use crate::{RunId, Status, Timestamp};

/// The longest sleep in one piece: a host's clock may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// How many missed slots are stepped over one by one, to find the last of them.
const MISSED_MAX: usize = 100_000;

pub(crate) struct ScheduleProcess<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
    pub(crate) part: Arc<SchedulePart<T, S>>,
    pub(crate) metrics: Arc<ProcessMetrics>,
}

impl<T: Object, S: Status> Process for ScheduleProcess<T, S> {
    fn run<'a>(&'a mut self, scope: Scope, fence: Fence) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            tokio::select! {
                ended = self.take_slots(&fence) => ended,
                () = scope.end.cancelled() => Ok(()),
            }
        })
    }
}

impl<T: Object, S: Status> ScheduleProcess<T, S> {
    fn part(&self) -> &SchedulePart<T, S> {
        &self.part
    }

    fn slot(&self, slot: Timestamp) -> SlotKey {
        SlotKey {
            workflow_name: self.core.definition.name.clone(),
            foreign_id: self.part().foreign_id.clone(),
            spec: self.part().spec.as_str().into(),
            slot,
        }
    }

    async fn take_slots(&self, fence: &Fence) -> Result<(), BackendError> {
        let clock = &self.core.hub.clock;
        let mut last = match self.core.hub.store.last_slot(&self.slot(Timestamp::from_millis(0))).await? {
            Some(last) => last,
            None => self.begin(fence).await?,
        };
        loop {
            let Some(slot) = self.next_slot(last, clock.now()) else {
                tracing::info!(schedule = %self.part().foreign_id, "the schedule has no slot any more");
                return std::future::pending().await;
            };
            let now = clock.now();
            if slot > now {
                clock.sleep(slot.since(now).min(SLEEP_MAX)).await;
                continue;
            }
            self.metrics.lag(now.since(slot));
            self.take(slot, fence).await?;
            last = slot;
        }
    }

    /// Notes when the schedule began, as if that had been a slot: the first real one can then be missed as any other.
    async fn begin(&self, fence: &Fence) -> Result<Timestamp, BackendError> {
        let now = self.core.hub.clock.now();
        self.note(self.slot(now), fence).await?;
        Ok(now)
    }

    /// The slot after `last`. Of several that were missed, only the latest is made up for.
    fn next_slot(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let spec = &self.part().spec;
        let mut slot = spec.next_after(last)?;
        for _ in 0..MISSED_MAX {
            match spec.next_after(slot) {
                Some(next) if next <= now => slot = next,
                _ => break,
            }
        }
        Some(slot)
    }

    /// Starts the run of a slot and notes the slot, both or neither.
    async fn take(&self, slot: Timestamp, fence: &Fence) -> Result<(), BackendError> {
        let part = self.part();
        let key = self.slot(slot);
        let wanted = part.filter.as_ref().is_none_or(|filter| filter());
        if wanted {
            let start = part.start.unwrap_or(self.core.definition.start);
            let new = NewRun {
                foreign_id: part.foreign_id.clone(),
                object: (part.object)(),
                start,
                key: None,
                origin: format!("schedule {}", part.spec.as_str()).into(),
            };
            let permanent = |error: crate::Error| {
                BackendError::with_source(ErrorKind::Permanent, "a schedule's run cannot be started", error)
            };
            let mut change = self.core.new_run(new).map_err(permanent)?;
            change.fence = Some(fence.clone());
            change.effects.extend(taking(key.clone()));
            let workflow = &self.core.definition.name;
            let span = tracing::debug_span!("trigger", %workflow, run_id = %change.run_id, foreign_id = %part.foreign_id);
            match self.core.hub.commit_one(change).instrument(span).await? {
                Outcome::Stored(_) | Outcome::DuplicateKey => return Ok(()),
                Outcome::DuplicateActiveRun { run_id } => {
                    tracing::info!(run_id = %run_id, schedule = %part.foreign_id, "the previous run is unfinished: slot skipped");
                    self.metrics.skipped(crate::Skip::NotWanted);
                }
                other => return Err(unexpected(&other)),
            }
        }
        self.note(key, fence).await
    }

    /// Notes a slot without a run.
    async fn note(&self, key: SlotKey, fence: &Fence) -> Result<(), BackendError> {
        let mut change = Change::new(RunId::from_uuid(uuid::Uuid::nil()), Expect::Nothing);
        change.fence = Some(fence.clone());
        change.effects.extend(taking(key));
        match self.core.hub.commit_one(change).await? {
            Outcome::Stored(_) | Outcome::DuplicateKey => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

/// Takes a slot and forgets those before it: none of them can be asked for again.
fn taking(key: SlotKey) -> [Effect; 2] {
    let before = SlotKey { slot: key.slot.before(Duration::from_millis(1)), ..key.clone() };
    [Effect::TakeSlot(key), Effect::ForgetSlots(before)]
}
