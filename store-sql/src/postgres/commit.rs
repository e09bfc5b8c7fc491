//! The transaction of a commit.

use std::sync::Arc;

use workflow_core::EventId;
use workflow_core::adapter::{BackendError, Change, ErrorKind, Outcome};

use super::attached;
use super::create::create;
use super::decide::{Locking, decide};
use super::effects::Effects;
use super::transaction::{Database, Tx};
use super::trust::{Prepared, is_plain, write_trusting};
use super::write::write;
use crate::attached::{is_attached, outcome_of};
use crate::decided::Decided;
use crate::rounds::next_round;

/// How many bytes of objects one transaction takes: the server takes no message of a gigabyte, and each object may be in
/// it twice, in its record and its history.
const PART_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Changes, in the order asked, and outbox rows that go with them.
struct Batch {
    changes: Vec<Change>,
    acked: Vec<EventId>,
}

impl Batch {
    /// The outbox rows that go with the part that begins at this change.
    fn acked_with(&self, from: usize) -> &[EventId] {
        if from == 0 { &self.acked } else { &[] }
    }
}

/// Stores changes and deletes acknowledged outbox rows.
///
/// Changes with work of the user's go in transactions of their own, which may be long and may fail.
pub(super) async fn commit(
    database: &Database,
    changes: Vec<Change>,
    acked: Vec<EventId>,
) -> Result<Vec<Outcome>, BackendError> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; changes.len()];
    let (alone, together): (Vec<_>, Vec<_>) =
        changes.into_iter().enumerate().partition(|(_, change)| is_attached(change));
    let (places, plain): (Vec<usize>, Vec<Change>) = together.into_iter().unzip();
    if !plain.is_empty() || !acked.is_empty() {
        let stored = commit_plain(database, Batch { changes: plain, acked }).await?;
        for (place, outcome) in places.iter().zip(stored) {
            outcomes[*place] = Some(outcome);
        }
    }
    let only = places.is_empty() && alone.len() == 1;
    for (place, change) in alone {
        let change = Arc::new(change);
        match attached::commit(database, change).await {
            Ok(outcome) => outcomes[place] = Some(outcome),
            Err(error) if only && error.kind() != ErrorKind::Permanent => return Err(error),
            // The others are stored: this one alone is to be tried again, and is told by its version if it is stored.
            Err(error) => outcomes[place] = Some(outcome_of(&error)),
        }
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Busy)).collect())
}

async fn commit_plain(database: &Database, batch: Batch) -> Result<Vec<Outcome>, BackendError> {
    let batch = Arc::new(batch);
    let mut outcomes = Vec::with_capacity(batch.changes.len());
    for part in parts(&batch.changes) {
        match commit_refusable(database, &batch, part).await {
            Ok(mut stored) => outcomes.append(&mut stored),
            Err(error) if outcomes.is_empty() => return Err(error),
            Err(error) => {
                // What went before is stored: the rest is to be judged and tried again.
                tracing::warn!(error = %error, "a part of a large commit failed");
                outcomes.resize(batch.changes.len(), Outcome::Busy);
                return Ok(outcomes);
            }
        }
    }
    Ok(outcomes)
}

/// Parts of a commit that are no larger than a transaction takes well; all of it but for very large objects.
fn parts(changes: &[Change]) -> Vec<(usize, usize)> {
    let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, change) in changes.iter().enumerate() {
        let size = change.record.as_ref().map_or(0, |record| record.object.len());
        if at > from && bytes + size > PART_BYTES_MAX {
            parts.push((from, at));
            (from, bytes) = (at, 0);
        }
        bytes += size;
    }
    parts.push((from, changes.len()));
    parts
}

async fn commit_refusable(
    database: &Database,
    batch: &Arc<Batch>,
    (from, to): (usize, usize),
) -> Result<Vec<Outcome>, BackendError> {
    match commit_part(database, Arc::clone(batch), (from, to)).await {
        Err(error) if to - from > 1 && error.kind() == ErrorKind::Permanent => {
            tracing::warn!(error = %error, changes = to - from, "a commit was refused and is made change by change");
            one_by_one(database, batch, (from, to), error).await
        }
        answer => answer,
    }
}

/// Stores each change by itself, so that one with values that the server does not take holds up no other.
async fn one_by_one(
    database: &Database,
    batch: &Arc<Batch>,
    (from, to): (usize, usize),
    first: BackendError,
) -> Result<Vec<Outcome>, BackendError> {
    let mut outcomes = Vec::with_capacity(to - from);
    let mut stored = false;
    for at in from..to {
        match commit_part(database, Arc::clone(batch), (at, at + 1)).await {
            Ok(mut one) => {
                stored = true;
                outcomes.append(&mut one);
            }
            // By itself, its caller will be told why.
            Err(_) => outcomes.push(Outcome::Busy),
        }
    }
    // If nothing can be stored it is not for the values of one of them.
    if stored { Ok(outcomes) } else { Err(first) }
}

async fn commit_part(
    database: &Database,
    batch: Arc<Batch>,
    (from, to): (usize, usize),
) -> Result<Vec<Outcome>, BackendError> {
    let whole = Arc::clone(&batch);
    let prepare = move || Prepared::of_plain(&whole.changes[from..to], whole.acked_with(from));
    database
        .trusting("commit", prepare, move |tx| {
            let batch = Arc::clone(&batch);
            Box::pin(async move {
                let changes: Vec<&Change> = batch.changes[from..to].iter().collect();
                in_transaction(tx, changes, batch.acked_with(from)).await
            })
        })
        .await
}

/// Makes changes in the present transaction; `acked` outbox rows are deleted with them.
pub(super) async fn in_transaction(
    tx: &mut Tx,
    changes: Vec<&Change>,
    acked: &[EventId],
) -> Result<Vec<Outcome>, sqlx::Error> {
    // One that is alone may wait for whoever has its row; many must not wait for one.
    let locking = if changes.len() > 1 { Locking::SkipLocked } else { Locking::Wait };
    let mut outcomes: Vec<Option<Outcome>> = vec![None; changes.len()];
    let mut waiting: Vec<(usize, &Change)> = changes.into_iter().enumerate().collect();
    if waiting.is_empty() {
        write(tx, &[], acked).await?;
    }
    // They go with the first round.
    let mut acked = acked;
    while !waiting.is_empty() {
        let (round, later) = next_round(waiting);
        // What is prepared is all of them together.
        let prepared = tx.take_prepared().filter(|_| later.is_empty());
        let (places, round): (Vec<usize>, Vec<&Change>) = round.into_iter().unzip();
        let made = commit_round(tx, round, (locking, prepared), std::mem::take(&mut acked)).await?;
        for (place, outcome) in places.into_iter().zip(made) {
            outcomes[place] = Some(outcome);
        }
        waiting = later;
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Busy)).collect())
}

async fn commit_round(
    tx: &mut Tx,
    changes: Vec<&Change>,
    (locking, prepared): (Locking, Option<Prepared>),
    acked: &[EventId],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let now = tx.now();
    let mut changes: Vec<Decided<'_>> = changes.into_iter().map(|change| Decided::new(change, now)).collect();
    if prepared.is_some() || (tx.trusts() && changes.iter().all(|each| is_plain(each.change))) {
        write_trusting(tx, &mut changes, acked, prepared).await?;
    } else {
        decide(tx, &mut changes, locking).await?;
        create(tx, &mut changes).await?;
        write(tx, &changes, acked).await?;
    }
    let standing = changes.iter().filter(|each| each.stands()).map(|each| each.change);
    Effects::of(standing).write(&mut tx.conn(), now).await?;
    Ok(changes.into_iter().map(Decided::outcome).collect())
}

#[cfg(test)]
mod tests {
    use workflow_conformance::samples::{creation, new_run};

    use super::*;

    fn change(bytes: usize) -> Change {
        let mut record = new_run("order");
        record.object = vec![b' '; bytes].into();
        creation(&record)
    }

    #[test]
    fn parts_are_as_large_as_a_transaction_takes() {
        let third = PART_BYTES_MAX / 3;
        assert_eq!(parts(&[]), [(0, 0)], "acknowledgements alone are a part");
        assert_eq!(parts(&[change(1), change(2)]), [(0, 2)]);
        let changes = [change(third), change(third), change(third + 9), change(2 * third), change(1)];
        assert_eq!(parts(&changes), [(0, 2), (2, 3), (3, 5)]);
        assert_eq!(parts(&[change(PART_BYTES_MAX + 1), change(1)]), [(0, 1), (1, 2)]);
    }
}
