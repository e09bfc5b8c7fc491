//! The task that owns the one connection that writes.
//!
//! A caller hands it a job and waits for the answer; a caller that stops waiting leaves the job whole.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use workflow_core::adapter::{BackendError, BoxFuture, ErrorKind};

use super::open::{Conn, Place};
use crate::names::Statements;

/// How many jobs may wait for the writer; more callers wait before they hand theirs in.
const JOBS_MAX: usize = 1024;

/// A piece of work with the connection, or with the reason why there is none.
pub(super) type Job =
    Box<dyn for<'c> FnOnce(Result<&'c mut SqliteConnection, BackendError>) -> BoxFuture<'c, Ending> + Send>;

/// What a job says of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is as it was.
    Clean,
    /// Nobody knows in which state it is: it is replaced.
    Doubtful,
}

#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    place: Arc<Place>,
    statements: Statements,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection, place: Arc<Place>, statements: Statements) -> Self {
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        tokio::spawn(drive(Some(connection), queue, Arc::clone(&place)));
        Self { jobs, place, statements }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Has work done in a transaction of its own, which is rolled back if the work fails.
    pub(super) async fn transaction<V, W>(&self, what: &'static str, work: W) -> Result<V, BackendError>
    where
        V: Send + 'static,
        W: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<V, sqlx::Error>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (place, statements) = (Arc::clone(&self.place), self.statements.clone());
        let job: Job = Box::new(move |connection| {
            Box::pin(async move {
                let (result, ending) = match connection {
                    Ok(connection) => {
                        let (result, ending) = in_transaction(connection, &statements, work).await;
                        (result.map_err(|error| error.wrap(what, &place)), ending)
                    }
                    Err(error) => (Err(error), Ending::Doubtful),
                };
                // The caller may have stopped waiting; what is committed stays so.
                let _ = reply.send(result);
                ending
            })
        });
        let closed =
            || BackendError::new(ErrorKind::Closed, format!("{} is closed", self.place.file().display()));
        self.jobs.send(job).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| {
            Err(BackendError::new(
                ErrorKind::UnknownOutcome,
                format!("{what}: the writer ended in the middle"),
            ))
        })
    }
}

impl Writer {
    /// Copies the log into the file and empties it, as far as no reader of another process needs it.
    pub(super) async fn checkpoint(&self) {
        let (reply, done) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            Box::pin(async move {
                if let Ok(connection) = connection
                    && let Err(error) = execute(connection, "pragma wal_checkpoint(truncate)").await
                {
                    tracing::debug!(error = %error, "the log could not be emptied");
                }
                let _ = reply.send(());
                Ending::Clean
            })
        });
        if self.jobs.send(job).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// Where a transaction failed.
pub(super) enum Failed {
    /// Before its commit: nothing of it is stored.
    Before(sqlx::Error),
    /// In its commit, and the rollback showed that nothing of it is stored.
    Commit(sqlx::Error),
    /// In its commit, and what became of it cannot be told.
    Unknown(sqlx::Error),
}

impl Failed {
    fn wrap(self, what: &str, place: &Place) -> BackendError {
        match self {
            Failed::Before(error) | Failed::Commit(error) => place.wrap(what, error),
            Failed::Unknown(error) => {
                let context = format!("{what} in {}: the commit was not answered", place.file().display());
                BackendError::with_source(ErrorKind::UnknownOutcome, context, error)
            }
        }
    }
}

async fn in_transaction<V, W>(
    connection: &mut SqliteConnection,
    statements: &Statements,
    work: W,
) -> (Result<V, Failed>, Ending)
where
    W: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<V, sqlx::Error>>,
{
    if let Err(error) = execute(connection, "begin immediate").await {
        return (Err(Failed::Before(error)), Ending::Doubtful);
    }
    match work(Conn::new(connection, statements)).await {
        Err(error) => {
            // A full disk rolls back by itself; then there is nothing left to roll back, which is fine.
            let _ = execute(connection, "rollback").await;
            (Err(Failed::Before(error)), Ending::Doubtful)
        }
        Ok(value) => match execute(connection, "commit").await {
            Ok(()) => (Ok(value), Ending::Clean),
            Err(error) => {
                let rolled_back = execute(connection, "rollback").await;
                // If there was a transaction to roll back, the commit had not happened.
                let failed = if rolled_back.is_ok() { Failed::Commit(error) } else { unclear(error) };
                (Err(failed), Ending::Doubtful)
            }
        },
    }
}

/// SQLite rolls back by itself when the disk is full or fails; anything else leaves the outcome open.
fn unclear(error: sqlx::Error) -> Failed {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    match code.map(|code| code & 0xff) {
        Some(13) => Failed::Commit(error),
        _ => Failed::Unknown(error),
    }
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}

/// Does one job after the other until nobody can hand one in any more.
async fn drive(mut connection: Option<SqliteConnection>, mut queue: mpsc::Receiver<Job>, place: Arc<Place>) {
    while let Some(job) = queue.recv().await {
        if let Err(error) = place.is_still_there() {
            job(Err(error)).await;
            continue;
        }
        let mut present = match connection.take() {
            Some(present) => present,
            None => match place.writer().await {
                Ok(fresh) => fresh,
                Err(error) => {
                    // The caller is told; the next job tries to connect again.
                    job(Err(error)).await;
                    continue;
                }
            },
        };
        match AssertUnwindSafe(job(Ok(&mut present))).catch_unwind().await {
            Ok(Ending::Clean) => connection = Some(present),
            Ok(Ending::Doubtful) | Err(_) => drop(present),
        }
    }
}
