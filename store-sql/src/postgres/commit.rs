//! The transaction of a commit.

use std::sync::Arc;

use workflow_core::adapter::{BackendError, Change, Effect, ErrorKind, Outcome};
use workflow_core::{EventId, Record};

use super::attached;
use super::create::create;
use super::decide::{Locking, decide};
use super::effects::Effects;
use super::rounds::{self, Placed};
use super::transaction::{Database, Tx};
use super::write::write;

/// A change on its way through a transaction.
pub(super) struct Decided<'a> {
    pub(super) change: &'a Change,
    /// The record as it is stored, with the transaction's time.
    pub(super) record: Option<Record>,
    /// `None` while nothing speaks against it.
    pub(super) refused: Option<Outcome>,
}

impl Decided<'_> {
    pub(super) fn stands(&self) -> bool {
        self.refused.is_none()
    }
}

/// Changes, in the order asked, and outbox rows that go with them.
struct Batch {
    changes: Vec<Change>,
    acked: Vec<EventId>,
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
            Err(error) if only => return Err(error),
            // The others are stored: this one alone is to be tried again, and is told by its version if it is stored.
            Err(error) => tracing::warn!(error = %error, "a change with attached work failed"),
        }
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Busy)).collect())
}

fn is_attached(change: &Change) -> bool {
    change.effects.iter().any(|effect| matches!(effect, Effect::Attached(_)))
}

async fn commit_plain(database: &Database, batch: Batch) -> Result<Vec<Outcome>, BackendError> {
    let batch = Arc::new(batch);
    let count = batch.changes.len();
    match commit_part(database, Arc::clone(&batch), (0, count)).await {
        Err(error) if count > 1 && error.kind() == ErrorKind::Permanent => {
            tracing::warn!(error = %error, changes = count, "a commit was refused and is made change by change");
            one_by_one(database, &batch, error).await
        }
        answer => answer,
    }
}

/// Stores each change by itself, so that one with values that the server does not take holds up no other.
async fn one_by_one(
    database: &Database,
    batch: &Arc<Batch>,
    first: BackendError,
) -> Result<Vec<Outcome>, BackendError> {
    let mut outcomes = Vec::with_capacity(batch.changes.len());
    let mut stored = false;
    for at in 0..batch.changes.len() {
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
    database
        .transaction("commit", move |tx| {
            let batch = Arc::clone(&batch);
            Box::pin(async move {
                let changes: Vec<&Change> = batch.changes[from..to].iter().collect();
                let acked: &[EventId] = if from == 0 { &batch.acked } else { &[] };
                in_transaction(tx, changes, acked).await
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
    let mut waiting: Vec<Placed<'_>> = changes.into_iter().enumerate().collect();
    if waiting.is_empty() {
        write(tx, &[], acked).await?;
    }
    // They go with the first round.
    let mut acked = acked;
    while !waiting.is_empty() {
        let (places, round): (Vec<usize>, Vec<&Change>) = rounds::next(&mut waiting).into_iter().unzip();
        let made = commit_round(tx, round, locking, std::mem::take(&mut acked)).await?;
        for (place, outcome) in places.into_iter().zip(made) {
            outcomes[place] = Some(outcome);
        }
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Busy)).collect())
}

async fn commit_round(
    tx: &mut Tx,
    changes: Vec<&Change>,
    locking: Locking,
    acked: &[EventId],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut changes: Vec<Decided<'_>> = changes
        .into_iter()
        .map(|change| Decided { change, record: stamped(change, tx), refused: None })
        .collect();
    decide(tx, &mut changes, locking).await?;
    create(tx, &mut changes).await?;
    write(tx, &changes, acked).await?;
    let now = tx.now();
    let standing = changes.iter().filter(|each| each.stands()).map(|each| each.change);
    Effects::of(standing).write(&mut tx.conn(), now).await?;
    Ok(changes.into_iter().map(outcome).collect())
}

fn stamped(change: &Change, tx: &Tx) -> Option<Record> {
    let mut record = change.record.clone()?;
    record.updated_at = tx.now();
    if change.expect == workflow_core::adapter::Expect::Absent {
        record.created_at = tx.now();
    }
    Some(record)
}

fn outcome(each: Decided<'_>) -> Outcome {
    each.refused.unwrap_or_else(|| Outcome::Stored(each.record.map(Arc::new)))
}
