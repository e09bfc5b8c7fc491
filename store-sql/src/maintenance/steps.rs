//! The statements of maintenance as each dialect has them, and what is made of them.

use std::collections::HashSet;
use std::future::Future;

use workflow_core::{Event, EventId, RunId, Timestamp, decode_outbox};

use super::expire::{Act, Mark, Old, Slice, Sliced};
use super::{ArchiveTable, Discarded, Requeued};

/// Statements in one transaction. Runs go by their ids as text: one that is no UUID is left alone, not stumbled over.
pub(crate) trait Steps: Send {
    /// The run that lies so many entries after `slice.after` in the index by age; `None` if there are fewer.
    fn end_of(&mut self, slice: &Slice) -> impl Future<Output = Result<Option<Mark>, sqlx::Error>> + Send;

    /// The first `slice.rows` finished runs of the slice, up to and with a place.
    fn old(
        &mut self,
        slice: &Slice,
        up_to: &Mark,
    ) -> impl Future<Output = Result<Vec<Old>, sqlx::Error>> + Send;

    /// Locks those of the runs that are still as they were read and that nobody else holds.
    fn lock(&mut self, runs: &[Old]) -> impl Future<Output = Result<Vec<String>, sqlx::Error>> + Send;

    /// Those of the runs that have an outbox row, a retry row with a due time or a dead letter.
    fn held_back(
        &mut self,
        runs: &[String],
    ) -> impl Future<Output = Result<HashSet<String>, sqlx::Error>> + Send;

    /// Copies runs and their histories.
    fn copy(
        &mut self,
        into: &ArchiveTable,
        runs: &[String],
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Deletes runs with all that belongs to them.
    fn forget(&mut self, runs: &[String]) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// How many rows the histories of runs have.
    fn count_history(&mut self, runs: &[String]) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Deletes rows of the histories of runs, at most `rows`.
    fn delete_history(
        &mut self,
        runs: &[String],
        rows: usize,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// The bytes of a dead letter, which is locked.
    fn letter(&mut self, id: &str) -> impl Future<Output = Result<Option<Vec<u8>>, sqlx::Error>> + Send;

    /// Deletes a dead letter; tells whether it was there.
    fn delete_letter(&mut self, id: &str) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// The id of the last event of a run.
    fn last_event(
        &mut self,
        run_id: RunId,
    ) -> impl Future<Output = Result<Option<String>, sqlx::Error>> + Send;

    /// Writes an outbox row.
    fn put_outbox(
        &mut self,
        row: EventId,
        event: &Event,
        data: &[u8],
        now: Timestamp,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// Puts the event of a dead letter back into the outbox, under a new id, and deletes the dead letter.
pub(crate) async fn requeue(
    steps: &mut impl Steps,
    id: &str,
    now: Timestamp,
) -> Result<Requeued, sqlx::Error> {
    let Some(data) = steps.letter(id).await? else { return Ok(Requeued::Missing) };
    let event = match decode_outbox(&data) {
        Ok(event) => event,
        Err(error) => return Ok(Requeued::NoEvent { reason: with_cause(&error) }),
    };
    // Rows of one run are read in the order of their ids: this one comes after all that there were.
    let last = steps.last_event(event.run_id).await?.and_then(|id| id.parse().ok());
    let row = EventId::after(last.max(event.event_id));
    steps.put_outbox(row, &event, &data, now).await?;
    steps.delete_letter(id).await?;
    Ok(Requeued::Done { row, run_id: event.run_id })
}

/// Throws a dead letter away.
pub(crate) async fn discard(steps: &mut impl Steps, id: &str) -> Result<Discarded, sqlx::Error> {
    Ok(if steps.delete_letter(id).await? { Discarded::Done } else { Discarded::Missing })
}

/// Deals with one slice of the runs of a workflow.
pub(crate) async fn expire(steps: &mut impl Steps, slice: &Slice) -> Result<Sliced, sqlx::Error> {
    let end = steps.end_of(slice).await?;
    let up_to = end.clone().unwrap_or_else(|| Mark::at(slice.before));
    let old = steps.old(slice, &up_to).await?;
    // A full slice goes on behind its last run, another one behind all that was looked at.
    let next = if old.len() == slice.rows { old.last().map(|run| run.mark.clone()) } else { end };
    let ids = |runs: &[Old]| runs.iter().map(|run| run.mark.run_id.clone()).collect::<Vec<_>>();
    match &slice.act {
        Act::CountRuns => {
            let runs = ids(&old);
            let free = free(steps, slice, &runs).await?;
            Ok(Sliced { done: free.len() as u64, kept: (runs.len() - free.len()) as u64, next })
        }
        Act::DeleteRuns | Act::MoveRuns(_) => {
            let locked = steps.lock(&old).await?;
            let free = free(steps, slice, &locked).await?;
            if let Act::MoveRuns(into) = &slice.act {
                steps.copy(into, &free).await?;
            }
            steps.forget(&free).await?;
            Ok(Sliced { done: free.len() as u64, kept: (old.len() - free.len()) as u64, next })
        }
        Act::CountHistory => Ok(Sliced { done: steps.count_history(&ids(&old)).await?, kept: 0, next }),
        Act::DeleteHistory => {
            let done = steps.delete_history(&ids(&old), slice.rows).await?;
            // If the limit was reached there may be more of the same runs.
            let next = if done >= slice.rows as u64 { Some(slice.after.clone()) } else { next };
            Ok(Sliced { done, kept: 0, next })
        }
    }
}

/// Those of the runs that nothing holds back.
async fn free(steps: &mut impl Steps, slice: &Slice, runs: &[String]) -> Result<Vec<String>, sqlx::Error> {
    let held = steps.held_back(runs).await?;
    let is_free = |run: &&String| !held.contains(*run) && !slice.unsent.contains(*run);
    Ok(runs.iter().filter(is_free).cloned().collect())
}

/// An error with its cause, on one line.
fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
