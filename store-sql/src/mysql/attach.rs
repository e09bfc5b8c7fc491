//! A user's own SQL in the transaction of a transition.

use std::sync::Arc;

use sqlx::MySqlConnection;
use workflow_core::adapter::{Attached, BoxFuture};

use super::error::{is_contention, is_lost};
use crate::any::AnyWork;
use crate::work_error::WorkError;

/// What the store makes of attached work.
pub(crate) struct MySqlWork(Box<WorkFn>);

type WorkFn = dyn for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<(), WorkError>> + Send + Sync;

fn is_in_the_way(error: &sqlx::Error) -> bool {
    is_contention(error) || is_lost(error)
}

impl MySqlWork {
    pub(crate) fn new<W, E>(work: W) -> Self
    where
        W: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<(), E>> + Send + Sync + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let work = Arc::new(work);
        Self(Box::new(move |connection| {
            let work = Arc::clone(&work);
            Box::pin(
                async move { work(connection).await.map_err(|error| WorkError::new(error, is_in_the_way)) },
            )
        }))
    }

    /// The work of a change, if it is for this store.
    pub(super) fn of(attached: &Attached) -> Option<&Self> {
        let any = || attached.downcast_ref::<AnyWork>().map(|work| &work.mysql);
        attached.downcast_ref().or_else(any)
    }

    pub(super) fn call<'c>(
        &self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<(), WorkError>> {
        (self.0)(connection)
    }
}

/// Work on the same database that commits with a transition or not at all: give it to
/// [`Run::attach`](workflow_core::Run::attach).
///
/// It runs after the transition was found to hold, and may run again, as a transaction may: give its `sqlx` errors back,
/// so that deadlocks can be told from failures. It must neither begin nor end a transaction, nor change tables, which
/// ends one.
///
/// ```
/// use store_sql::mysql::attach;
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
    W: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<(), E>> + Send + Sync + 'static,
    E: std::fmt::Display + Send + 'static,
{
    Attached::new(MySqlWork::new(work))
}
