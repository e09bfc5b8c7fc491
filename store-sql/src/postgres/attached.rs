//! One change with the user's own work in its transaction.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use sqlx::PgConnection;
use workflow_core::adapter::{BackendError, Change, Effect, Outcome};

use super::attach::PostgresWork;
use super::commit::in_transaction;
use super::transaction::{Database, Tx};
use crate::work_error::WorkError;

/// The user's statements are planned as the server sees fit, not as the store's own.
const USUAL_PLANS: &str =
    "set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on";

/// A savepoint to which the transaction goes back when the work fails.
const SAVEPOINT: &str = "savepoint attached";

const ROLLBACK: &str = "rollback to savepoint attached";

/// Stores a change with its attached work, or nothing.
pub(super) async fn commit(database: &Database, change: Arc<Change>) -> Result<Outcome, BackendError> {
    database
        .transaction("commit with attached work", move |tx| {
            let change = Arc::clone(&change);
            Box::pin(async move { with_work(tx, &change).await })
        })
        .await
}

async fn with_work(tx: &mut Tx, change: &Change) -> Result<Outcome, sqlx::Error> {
    execute(tx.raw(), SAVEPOINT).await?;
    let mut outcomes = in_transaction(tx, vec![change], &[]).await?;
    let outcome = outcomes.pop().unwrap_or(Outcome::Busy);
    if !matches!(outcome, Outcome::Stored(_)) {
        return Ok(outcome);
    }
    execute(tx.raw(), USUAL_PLANS).await?;
    for effect in &change.effects {
        let Effect::Attached(work) = effect else { continue };
        let reason = match PostgresWork::of(work) {
            Some(work) => match call(work, tx.raw()).await {
                Ok(()) => continue,
                Err(WorkError::Again(error)) => return Err(error),
                Err(WorkError::Failed(reason)) => reason,
            },
            None => "the attached work is for another kind of store than PostgreSQL".to_owned(),
        };
        // If this does not work either it is the connection that failed, and all is tried again.
        execute(tx.raw(), ROLLBACK).await?;
        return Ok(Outcome::AttachedFailed(reason.into()));
    }
    Ok(outcome)
}

/// Runs the user's work; a panic is a failure of it.
async fn call(work: &PostgresWork, connection: &mut PgConnection) -> Result<(), WorkError> {
    let called = AssertUnwindSafe(async { work.call(connection).await }).catch_unwind().await;
    called.unwrap_or_else(|_| Err(WorkError::Failed("the attached work panicked".to_owned())))
}

async fn execute(connection: &mut PgConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop)
}
