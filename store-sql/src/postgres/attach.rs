//! A user's own SQL in the transaction of a transition.

use std::any::Any;
use std::sync::Arc;

use sqlx::PgConnection;
use workflow_core::adapter::{Attached, BoxFuture};

use super::error::{Class, class, is_contention};

/// What the store makes of attached work.
pub(super) struct PostgresWork(Box<WorkFn>);

type WorkFn = dyn for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<(), WorkError>> + Send + Sync;

/// Why attached work failed.
pub(super) enum WorkError {
    /// Others were in its way, or the connection was lost: the transaction is to be begun again.
    Again(sqlx::Error),
    /// It says so.
    Failed(String),
}

impl WorkError {
    fn new<E: std::fmt::Display + Send + 'static>(error: E) -> Self {
        let text = error.to_string();
        let error: Box<dyn Any + Send> = Box::new(error);
        match error.downcast::<sqlx::Error>() {
            Ok(error) if is_contention(&error) || class(&error) == Class::Lost => WorkError::Again(*error),
            _ => WorkError::Failed(text),
        }
    }
}

impl PostgresWork {
    pub(super) fn call<'c>(&self, connection: &'c mut PgConnection) -> BoxFuture<'c, Result<(), WorkError>> {
        (self.0)(connection)
    }
}

/// Work on the same database that commits with a transition or not at all: give it to
/// [`Run::attach`](workflow_core::Run::attach).
///
/// It runs after the transition was found to hold, and may run again, as a transaction may: give its `sqlx` errors back,
/// so that deadlocks can be told from failures. It must neither begin nor end a transaction.
///
/// ```
/// use store_sql::postgres::attach;
/// let work = attach(|connection| {
///     Box::pin(async move {
///         sqlx::query("update accounts set cents = cents - 5 where id = 1").execute(connection).await?;
///         Ok::<(), sqlx::Error>(())
///     })
/// });
/// # let _ = work;
/// ```
pub fn attach<W, E>(work: W) -> Attached
where
    W: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<(), E>> + Send + Sync + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let work = Arc::new(work);
    Attached::new(PostgresWork(Box::new(move |connection| {
        let work = Arc::clone(&work);
        Box::pin(async move { work(connection).await.map_err(WorkError::new) })
    })))
}
