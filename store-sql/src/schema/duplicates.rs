//! Several unfinished runs of one foreign id, as tables that were made elsewhere may have them.

use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::{Change, Effect, Expect, OutboxRow, Outcome, Store};
use workflow_core::{Actor, Event, HistoryEntry, Move, Record, RunId, Topic, Transition, apply};

use super::{Done, Duplicate, MigrateError};

/// Why the runs are cancelled, as it is stored.
const REASON: &str = "a newer unfinished run of the same foreign id was kept when the tables were migrated";

/// How often a run is looked at again that somebody stores meanwhile.
const TRIES_MAX: u32 = 20;

/// Workflow, foreign id and run of each row, in this order and the newest run first, as duplicates.
pub(crate) fn duplicates_of(rows: Vec<(String, String, String)>) -> Vec<Duplicate> {
    let mut duplicates: Vec<Duplicate> = Vec::new();
    for (workflow_name, foreign_id, run_id) in rows {
        match duplicates.last_mut() {
            Some(last) if last.workflow_name == workflow_name && last.foreign_id == foreign_id => {
                last.runs.push(run_id);
            }
            _ => duplicates.push(Duplicate { workflow_name, foreign_id, runs: vec![run_id] }),
        }
    }
    duplicates
}

/// Cancels all but the first run of each, as an operator would: with version, event and history.
pub(crate) async fn cancel(
    store: &impl Store,
    place: &str,
    duplicates: &[Duplicate],
) -> Result<Vec<Done>, MigrateError> {
    let mut done = Vec::new();
    for run_id in duplicates.iter().flat_map(|duplicate| &duplicate.runs[1..]) {
        let Ok(id) = run_id.parse::<RunId>() else {
            let why = "its id is no UUID".to_owned();
            return Err(MigrateError::NotCancelled { place: place.to_owned(), run_id: run_id.clone(), why });
        };
        if cancel_one(store, place, id).await? {
            done.push(Done::RunCancelled { run_id: run_id.clone() });
        }
    }
    Ok(done)
}

/// Cancels a run; `false` if it has ended by itself.
async fn cancel_one(store: &impl Store, place: &str, run_id: RunId) -> Result<bool, MigrateError> {
    let not_cancelled = |why: &dyn std::fmt::Display| MigrateError::not_cancelled(place, run_id, why);
    for _ in 0..TRIES_MAX {
        let found = store.lookup(&[run_id]).await?.pop();
        let record = found.unwrap_or(Ok(None)).map_err(|error| not_cancelled(&error))?;
        let Some(record) = record.filter(|record| record.run_state.is_live()) else { return Ok(false) };
        let change = cancellation(&record).map_err(|refusal| not_cancelled(&refusal))?;
        match store.commit(vec![change], Vec::new()).await?.pop() {
            Some(Outcome::Stored(_)) => return Ok(true),
            Some(Outcome::VersionConflict { .. } | Outcome::Busy | Outcome::Missing) | None => {}
            Some(other) => return Err(not_cancelled(&format!("the store answered {other:?}"))),
        }
    }
    Err(not_cancelled(&"others store it all the time"))
}

fn cancellation(record: &Record) -> Result<Change, workflow_core::Refusal> {
    let next = apply(record, Transition { to: Move::Cancel { reason: REASON.into() }, object: None })?;
    let topic = Topic::of_record(&next.workflow_name, next.run_state, next.status);
    let mut change = Change::new(record.run_id, Expect::Version(record.version));
    change.effects = vec![Effect::CancelTimers(None), Effect::DeleteRetries];
    change.history = Some(HistoryEntry {
        workflow_name: next.workflow_name.clone(),
        run_id: next.run_id,
        version: next.version,
        from_status: Some(record.status),
        to_status: next.status,
        run_state: next.run_state,
        reason: Arc::clone(&next.run_state_reason),
        actor: Actor::Operator,
        attempt: 1,
        duration: Duration::ZERO,
        at: record.updated_at,
        object: None,
    });
    if let Some(id) = next.last_event_id {
        change.outbox = Some(OutboxRow { id, event: Arc::new(Event::of_record(&next, topic)) });
    }
    change.record = Some(next);
    Ok(change)
}
