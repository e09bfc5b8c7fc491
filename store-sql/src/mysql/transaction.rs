//! Work on a connection, in a task of its own.
//!
//! The task is joined and never aborted: a caller that stops waiting leaves no half transaction, and no connection with
//! an answer still on its way.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::MySql;
use sqlx::pool::PoolConnection;
use workflow_core::Timestamp;
use workflow_core::adapter::{BackendError, BoxFuture, Clock, ErrorKind, SystemClock};

use super::error::{is_contention, is_lost, is_refused_commit};
use super::server::{Conn, Server};

/// How often work is begun again after others were in its way, or its connection was lost.
const ATTEMPTS_MAX: u32 = 6;

/// The longest wait before the second attempt; it doubles with each.
const WAIT_MAX: Duration = Duration::from_millis(8);

/// How the work of a transaction ended.
pub(super) enum Ended<V> {
    /// It is to be stored.
    Commit(V),
    /// Nothing of it is to be stored.
    Rollback(V),
}

/// What became of the work of a transaction.
pub(super) enum Made<V> {
    /// It is stored, unless it asked for nothing of it to be.
    Surely(V),
    /// Its commit was not answered: it may be stored or not.
    InDoubt(V, BackendError),
}

/// Why an attempt failed.
enum Failed<V> {
    /// Nothing of it is stored, and it may be begun again.
    Again(sqlx::Error),
    /// Nothing of it is stored.
    Before(sqlx::Error),
    /// It may be stored or not.
    Unknown(sqlx::Error, V),
    /// The work panicked; nothing of it is stored.
    Panicked,
}

impl<V> Failed<V> {
    fn before(error: sqlx::Error) -> Self {
        let pool_is_empty = matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed);
        if is_contention(&error) || (is_lost(&error) && !pool_is_empty) {
            Failed::Again(error)
        } else {
            Failed::Before(error)
        }
    }

    fn told(self, what: &str, server: &Server) -> Result<Made<V>, BackendError> {
        match self {
            Failed::Again(error) | Failed::Before(error) => Err(server.wrap(what, error)),
            Failed::Unknown(error, value) => {
                let context = format!("{what} in {}: the commit was not answered", server.name());
                let error = BackendError::with_source(ErrorKind::UnknownOutcome, context, error);
                Ok(Made::InDoubt(value, error))
            }
            Failed::Panicked => Err(BackendError::new(
                ErrorKind::Permanent,
                format!("{what} in {}: the work panicked", server.name()),
            )),
        }
    }
}

impl Server {
    /// As [`Server::try_transaction`], where a doubt is an error.
    pub(super) async fn transaction<V, W>(
        self: &Arc<Self>,
        what: &'static str,
        work: W,
    ) -> Result<V, BackendError>
    where
        V: Send + 'static,
        W: for<'c> Fn(Conn<'c>, Timestamp) -> BoxFuture<'c, Result<Ended<V>, sqlx::Error>>
            + Send
            + Sync
            + 'static,
    {
        match self.try_transaction(what, work).await? {
            Made::Surely(value) => Ok(value),
            Made::InDoubt(_, error) => Err(error),
        }
    }

    /// Has work done in a transaction, from its beginning again if others were in its way; the work is given the
    /// present.
    pub(super) async fn try_transaction<V, W>(
        self: &Arc<Self>,
        what: &'static str,
        work: W,
    ) -> Result<Made<V>, BackendError>
    where
        V: Send + 'static,
        W: for<'c> Fn(Conn<'c>, Timestamp) -> BoxFuture<'c, Result<Ended<V>, sqlx::Error>>
            + Send
            + Sync
            + 'static,
    {
        let server = Arc::clone(self);
        let mut attempts = Attempts::default();
        let work = async move {
            loop {
                match transact(&server, &work).await {
                    Err(Failed::Again(error)) if attempts.are_left() => attempts.wait(what, &error).await,
                    Err(failed) => return failed.told(what, &server),
                    Ok(value) => return Ok(Made::Surely(value)),
                }
            }
        };
        joined(what, work).await
    }

    /// Has queries made, each of which sees what is committed when it begins.
    pub(super) async fn read<V, W>(self: &Arc<Self>, what: &'static str, work: W) -> Result<V, BackendError>
    where
        V: Send + 'static,
        W: for<'c> Fn(Conn<'c>) -> BoxFuture<'c, Result<V, sqlx::Error>> + Send + Sync + 'static,
    {
        let server = Arc::clone(self);
        let mut attempts = Attempts::default();
        let work = async move {
            loop {
                match query(&server, &work).await {
                    Err(Failed::Again(error)) if attempts.are_left() => attempts.wait(what, &error).await,
                    Err(failed) => return failed.told(what, &server),
                    Ok(value) => return Ok(Made::Surely(value)),
                }
            }
        };
        match joined(what, work).await? {
            Made::Surely(value) => Ok(value),
            Made::InDoubt(_, error) => Err(error),
        }
    }
}

async fn joined<V: Send + 'static>(
    what: &'static str,
    work: impl Future<Output = Result<V, BackendError>> + Send + 'static,
) -> Result<V, BackendError> {
    tokio::spawn(work).await.unwrap_or_else(|_| {
        Err(BackendError::new(ErrorKind::UnknownOutcome, format!("{what}: the program ended in the middle")))
    })
}

/// How often work has been begun again.
#[derive(Default)]
struct Attempts(u32);

impl Attempts {
    fn are_left(&self) -> bool {
        self.0 + 1 < ATTEMPTS_MAX
    }

    /// Waits a random while, so that those who were in each other's way do not meet again.
    async fn wait(&mut self, what: &str, error: &sqlx::Error) {
        tracing::debug!(what, error = %error, attempt = self.0 + 1, "begun again");
        let ceiling = WAIT_MAX * (1 << self.0);
        SystemClock::new().sleep(ceiling.mul_f64(fastrand::f64())).await;
        self.0 += 1;
    }
}

/// A connection. One that was not had in time has been waited for already.
async fn acquire<V>(server: &Server) -> Result<PoolConnection<MySql>, Failed<V>> {
    match server.pool.acquire().await {
        Err(sqlx::Error::PoolTimedOut) => Err(Failed::Before(server.why_no_connection().await)),
        acquired => acquired.map_err(Failed::before),
    }
}

async fn query<V, W>(server: &Server, work: &W) -> Result<V, Failed<V>>
where
    W: for<'c> Fn(Conn<'c>) -> BoxFuture<'c, Result<V, sqlx::Error>>,
{
    let mut connection = acquire(server).await?;
    match AssertUnwindSafe(work(Conn::new(&mut *connection, &server.statements))).catch_unwind().await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            if is_lost(&error) {
                discard(connection);
            }
            Err(Failed::before(error))
        }
        Err(_) => {
            discard(connection);
            Err(Failed::Panicked)
        }
    }
}

async fn transact<V, W>(server: &Server, work: &W) -> Result<V, Failed<V>>
where
    W: for<'c> Fn(Conn<'c>, Timestamp) -> BoxFuture<'c, Result<Ended<V>, sqlx::Error>>,
{
    let _hold = server.clock.hold();
    let mut connection = acquire(server).await?;
    let worked = AssertUnwindSafe(async {
        let now = server.clock.begin(&mut connection).await?;
        work(Conn::new(&mut *connection, &server.statements), now).await
    })
    .catch_unwind()
    .await;
    match worked {
        Ok(Ok(Ended::Commit(value))) => match sqlx::raw_sql("commit").execute(&mut *connection).await {
            Ok(_) => Ok(value),
            Err(error) => {
                roll_back(connection).await;
                Err(if is_contention(&error) {
                    Failed::Again(error)
                } else if is_refused_commit(&error) {
                    Failed::Before(error)
                } else {
                    Failed::Unknown(error, value)
                })
            }
        },
        Ok(Ok(Ended::Rollback(value))) => {
            roll_back(connection).await;
            Ok(value)
        }
        Ok(Err(error)) => {
            // Some errors undo one statement only, so the transaction is always ended by name.
            roll_back(connection).await;
            Err(Failed::before(error))
        }
        Err(_) => {
            discard(connection);
            Err(Failed::Panicked)
        }
    }
}

/// Ends a transaction; a connection on which that fails is not used again.
async fn roll_back(mut connection: PoolConnection<MySql>) {
    if sqlx::raw_sql("rollback").execute(&mut *connection).await.is_err() {
        discard(connection);
    }
}

/// Closes a connection of which nobody knows in which state it is; the server rolls back what is open on it.
fn discard(connection: PoolConnection<MySql>) {
    drop(connection.detach());
}
