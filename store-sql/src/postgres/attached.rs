//! One change with the user's own work in its transaction.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::PgConnection;
use workflow_core::adapter::{BackendError, Change, Clock, Effect, Outcome, SystemClock};

use super::attach::PostgresWork;
use super::commit::in_transaction;
use super::error::{Class, class, code};
use super::transaction::{Database, Tx};
use crate::hindrances::Hindrances;
use crate::work_error::WorkError;

/// The user's statements are planned as the server sees fit, not as the store's own.
const USUAL_PLANS: &str =
    "set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on";

/// A savepoint to which the transaction goes back when the work fails.
const SAVEPOINT: &str = "savepoint attached";

const ROLLBACK: &str = "rollback to savepoint attached";

/// The end of the savepoint, which tells whether the transaction is still the one that was begun.
const RELEASE: &str = "release savepoint attached";

/// What ends whatever transaction there is.
const END: &str = "rollback";

const ENDED: &str = "the attached work ended the transaction, so that it may be stored or not: it must neither begin nor end \
                     one";

const WENT_ON: &str = "the attached work went on after a statement had failed, whose transaction stores nothing: let it give \
                       the error back, or put the statement behind a savepoint";

/// Stores a change with its attached work, or nothing.
pub(super) async fn commit(database: &Database, change: Arc<Change>) -> Result<Outcome, BackendError> {
    let hindrances = Arc::new(Hindrances::default());
    let limit = database.place().idle_in_transaction();
    database
        .transaction("commit with attached work", move |tx| {
            let (change, hindrances) = (Arc::clone(&change), Arc::clone(&hindrances));
            Box::pin(async move { with_work(tx, &change, &hindrances, limit).await })
        })
        .await
}

async fn with_work(
    tx: &mut Tx,
    change: &Change,
    hindrances: &Hindrances,
    limit: Duration,
) -> Result<Outcome, sqlx::Error> {
    execute(tx.raw(), SAVEPOINT).await?;
    let mut outcomes = in_transaction(tx, vec![change], &[]).await?;
    let outcome = outcomes.pop().unwrap_or(Outcome::Busy);
    if !matches!(outcome, Outcome::Stored(_)) {
        return Ok(outcome);
    }
    execute(tx.raw(), USUAL_PLANS).await?;
    let begun = SystemClock::new();
    let failed = worked(tx, change).await.map_err(|error| match class(&error) {
        Class::Again => hindrances.contended(error),
        Class::Lost => hindrances.lost(error, begun.elapsed(), limit),
        Class::Later | Class::Data | Class::Closed | Class::Never => error,
    })?;
    Ok(failed.map_or(outcome, |reason| Outcome::AttachedFailed(reason.into())))
}

/// Runs what is attached to a change; tells why it failed, if it did, and then nothing of the change is left.
async fn worked(tx: &mut Tx, change: &Change) -> Result<Option<String>, sqlx::Error> {
    let mut failed = None;
    for effect in &change.effects {
        let Effect::Attached(work) = effect else { continue };
        failed = match PostgresWork::of(work) {
            Some(work) => match call(work, tx.raw()).await {
                Ok(()) => continue,
                Err(WorkError::Again(error)) => return Err(error),
                Err(WorkError::Failed(reason)) => Some(reason),
            },
            None => Some("the attached work is for another kind of store than PostgreSQL".to_owned()),
        };
        break;
    }
    let end = if failed.is_some() { ROLLBACK } else { RELEASE };
    match execute(tx.raw(), end).await {
        Ok(()) => Ok(failed),
        Err(error) => broken(tx, error).await.map(Some),
    }
}

/// What the work did to the transaction, by the error of the savepoint's end.
async fn broken(tx: &mut Tx, error: sqlx::Error) -> Result<String, sqlx::Error> {
    let reason = match code(&error).as_deref() {
        Some("25P02") => WENT_ON,
        Some("25P01" | "3B001") => ENDED,
        // It is the connection that failed, and all is tried again.
        _ => return Err(error),
    };
    execute(tx.raw(), END).await?;
    Ok(reason.to_owned())
}

/// Runs the user's work; a panic is a failure of it.
async fn call(work: &PostgresWork, connection: &mut PgConnection) -> Result<(), WorkError> {
    let called = AssertUnwindSafe(async { work.call(connection).await }).catch_unwind().await;
    called.unwrap_or_else(|_| Err(WorkError::Failed("the attached work panicked".to_owned())))
}

async fn execute(connection: &mut PgConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop)
}
