//! Calls from outside that move a run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::Instrument;
use uuid::Uuid;

use super::attempt::{Limits, attempt_span, guarded};
use super::core::{Core, Object, unexpected};
use super::moves::Stamp;
use crate::adapter::{Callback, Change, Effect, Expect, Outcome};
use crate::definition::{CallbackOutcome, CallbackPart, Payload};
use crate::{
    Actor, Error, ForeignId, Next, Options, Record, Run, RunState, Status, StatusCode, Transition,
    WorkflowName,
};

/// How often a callback is tried again when others store the run meanwhile.
pub(crate) const CONTENTION_MAX: u32 = 16;

/// What a status's callbacks make of a run.
pub(crate) enum Applying {
    /// None of them wanted anything.
    Skipped,
    /// One of them did.
    Moves(Box<Change>),
    /// The run's state does not allow what it wanted.
    Refused,
}

/// A callback as the caller made it.
pub(crate) struct Call {
    pub(crate) status: StatusCode,
    pub(crate) foreign_id: ForeignId,
    pub(crate) payload: Bytes,
    pub(crate) key: Option<Arc<str>>,
}

/// Where a callback meets its run.
enum Meeting {
    /// The run is where the callback wants it.
    Here,
    /// It is not there yet, and the callback may wait for it.
    Early,
    /// It is elsewhere.
    Elsewhere(CallbackOutcome),
    /// It was stored again while it was looked at.
    Moved,
}

impl<T: Object, S: Status> Core<T, S> {
    /// Calls back the latest run of a foreign id.
    pub(crate) async fn callback(&self, call: Call) -> Result<CallbackOutcome, Error> {
        let span = callback_span(&self.definition.name, &call.foreign_id);
        self.callback_within(call).instrument(span).await
    }

    async fn callback_within(&self, call: Call) -> Result<CallbackOutcome, Error> {
        for _ in 0..CONTENTION_MAX {
            let latest = self.hub.store.latest(&self.definition.name, &call.foreign_id).await?;
            let Some(record) = latest else { return Ok(CallbackOutcome::NoRun) };
            if self.is_repetition(&record, &call).await? {
                return Ok(CallbackOutcome::Duplicate);
            }
            let change = match self.meet(&record, &call).await? {
                Meeting::Elsewhere(outcome) => return Ok(outcome),
                Meeting::Moved => continue,
                Meeting::Early => (early(&record, &call), CallbackOutcome::Buffered),
                Meeting::Here => {
                    match self.apply_callbacks(&record, Payload::from(call.payload.clone())).await? {
                        Applying::Moves(change) => (note_key(*change, &call), CallbackOutcome::Applied),
                        Applying::Skipped => return Ok(CallbackOutcome::Skipped),
                        Applying::Refused => continue,
                    }
                }
            };
            if let Some(outcome) = self.store_callback(&record, change).await? {
                return Ok(outcome);
            }
        }
        Err(self.contended(&call).await)
    }

    async fn contended(&self, call: &Call) -> Error {
        match self.hub.store.latest(&self.definition.name, &call.foreign_id).await {
            Ok(Some(record)) => Error::Contended { run_id: record.run_id, attempts: CONTENTION_MAX },
            Ok(None) => {
                Error::NotFound { workflow: self.definition.name.clone(), run: call.foreign_id.to_string() }
            }
            Err(error) => error.into(),
        }
    }

    async fn is_repetition(&self, record: &Record, call: &Call) -> Result<bool, Error> {
        let Some(key) = &call.key else { return Ok(false) };
        let noted = self.hub.store.inbox(record.run_id, call.status).await?;
        Ok(noted.iter().any(|callback| callback.key == *key))
    }

    async fn meet(&self, record: &Record, call: &Call) -> Result<Meeting, Error> {
        if record.run_state.is_finished() || record.run_state == RunState::Paused {
            return Ok(Meeting::Elsewhere(CallbackOutcome::Stopped { run_state: record.run_state }));
        }
        if record.status == call.status {
            return Ok(Meeting::Here);
        }
        let waits = self.plan.status(call.status).is_some_and(|plan| plan.has_inbox);
        if waits {
            if !self.hub.store.entered(&[(record.run_id, call.status)]).await?.contains(&true) {
                return Ok(Meeting::Early);
            }
            // The history is younger than the record: the run may have entered the status between the two reads.
            if self.lookup(record.run_id).await?.version != record.version {
                return Ok(Meeting::Moved);
            }
        }
        let current =
            S::from_code(record.status).map_or_else(|| record.status.to_string(), |s| s.name().to_owned());
        Ok(Meeting::Elsewhere(CallbackOutcome::WrongStatus { current }))
    }

    /// Stores what a callback made; `None` if the run was stored by somebody else meanwhile.
    async fn store_callback(
        &self,
        record: &Record,
        (change, outcome): (Change, CallbackOutcome),
    ) -> Result<Option<CallbackOutcome>, Error> {
        let next = change.record.as_ref().map(|next| (next.run_state, next.version));
        match self.hub.commit_one(change).await? {
            Outcome::Stored(_) => {
                if let Some((to, version)) = next {
                    self.metrics.run_state_changed(record.run_state, to);
                    self.signals.cancel(record.run_id, version);
                }
                Ok(Some(outcome))
            }
            Outcome::DuplicateKey => Ok(Some(CallbackOutcome::Duplicate)),
            Outcome::VersionConflict { .. } | Outcome::Missing | Outcome::Busy => {
                self.metrics.conflict();
                Ok(None)
            }
            Outcome::AttachedFailed(reason) => Err(Error::Attached { run_id: record.run_id, reason }),
            other => Err(unexpected(&other).into()),
        }
    }

    /// Calls the callbacks of a run's status in order, until one of them moves it.
    pub(crate) async fn apply_callbacks(
        &self,
        record: &Arc<Record>,
        payload: Payload,
    ) -> Result<Applying, Error> {
        let begun = self.hub.clock.elapsed();
        for part in self.definition.callbacks_of(record.status) {
            // One that skips leaves nothing in the run for the next.
            let mut run = self.open(record, 1, None)?;
            let next = self.call_back(part, &mut run, payload.clone()).await?;
            if !matches!(next, Next::Skip) {
                let duration = self.hub.clock.elapsed().saturating_sub(begun);
                return self.applied(part, run, record, next, duration);
            }
        }
        Ok(Applying::Skipped)
    }

    async fn call_back(
        &self,
        part: &CallbackPart<T, S>,
        run: &mut Run<T, S>,
        payload: Payload,
    ) -> Result<Next<S>, Error> {
        let options = Options::new().resolve();
        let what = || format!("the callback of status {} for run {}", part.from.name(), run.id());
        let what_text = what();
        let span = attempt_span("callback", run.record(), 1);
        let limits = Limits::new((run.id(), run.version()), span, &options, &self.hub.clock, &self.signals);
        let called = guarded((part.call)(run, payload), limits).await;
        let function = |reason: String| Error::Function { what: what_text, reason: reason.into() };
        match called {
            Ok(Ok(next)) => Ok(next),
            Ok(Err(error)) => Err(function(error.reason())),
            Err(_) => Err(function("the run was moved by somebody else meanwhile".to_owned())),
        }
    }

    fn applied(
        &self,
        part: &CallbackPart<T, S>,
        mut run: Run<T, S>,
        record: &Record,
        next: Next<S>,
        duration: Duration,
    ) -> Result<Applying, Error> {
        let to = self.wish(next, part.from, &part.to)?;
        let object = self.encode(&run.object, || format!("run {}", record.run_id))?;
        let attached = run.take_attached();
        let stamp = Stamp { duration, ..Stamp::outside(Actor::Callback) };
        match self.change(record, Transition { to, object: Some(object) }, Some(&mut run), stamp) {
            Ok(mut change) => {
                change.effects.extend(attached.into_iter().map(Effect::Attached));
                Ok(Applying::Moves(Box::new(change)))
            }
            Err(_) => Ok(Applying::Refused),
        }
    }
}

/// The span of a callback, around the attempts of its functions.
pub(crate) fn callback_span(workflow: &WorkflowName, foreign_id: &ForeignId) -> tracing::Span {
    tracing::debug_span!("callback", workflow_name = %workflow, %foreign_id)
}

/// Keeps a callback until its status is entered. The version makes sure that it is not being entered right now.
fn early(record: &Record, call: &Call) -> Change {
    let mut change = Change::new(record.run_id, Expect::Version(record.version));
    change.effects.push(Effect::PutCallback(Callback {
        status: call.status,
        key: call.key.clone().unwrap_or_else(|| Uuid::now_v7().to_string().into()),
        payload: call.payload.clone(),
        applied: false,
    }));
    change
}

/// Notes the caller's key with the move that it made.
fn note_key(mut change: Change, call: &Call) -> Change {
    if let Some(key) = &call.key {
        change.effects.push(Effect::PutCallback(Callback {
            status: call.status,
            key: Arc::clone(key),
            payload: Bytes::new(),
            applied: true,
        }));
    }
    change
}
