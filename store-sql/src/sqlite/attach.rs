//! A user's own SQL in the transaction of a transition.

use std::sync::Arc;

use sqlx::SqliteConnection;
use workflow_core::adapter::{Attached, BoxFuture};

use crate::any::AnyWork;

/// What the store makes of attached work.
pub(crate) struct SqliteWork(Box<WorkFn>);

type WorkFn = dyn for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), String>> + Send + Sync;

impl SqliteWork {
    pub(crate) fn new<W, E>(work: W) -> Self
    where
        W: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), E>> + Send + Sync + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let work = Arc::new(work);
        Self(Box::new(move |connection| {
            let work = Arc::clone(&work);
            Box::pin(async move { work(connection).await.map_err(|error| error.to_string()) })
        }))
    }

    /// The work of a change, if it is for this store.
    pub(super) fn of(attached: &Attached) -> Option<&Self> {
        let any = || attached.downcast_ref::<AnyWork>().map(|work| &work.sqlite);
        attached.downcast_ref().or_else(any)
    }

    pub(super) fn call<'c>(&self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), String>> {
        (self.0)(connection)
    }
}

/// Work on the same database that commits with a transition or not at all: give it to
/// [`Run::attach`](workflow_core::Run::attach).
///
/// It runs after the transition was found to hold, and may run again, as a transaction may. It must neither begin nor
/// end a transaction.
///
/// ```
/// use store_sql::sqlite::attach;
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
    W: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), E>> + Send + Sync + 'static,
    E: std::fmt::Display + Send + 'static,
{
    Attached::new(SqliteWork::new(work))
}
