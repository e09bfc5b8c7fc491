//! What people look at: from a replica, if there is one.
//!
//! A replica lags, so nothing that a write is decided by may come from it. Its connections never leave this file: whatever
//! decides takes a transaction or a connection of [`Database`], which is the primary's, and a replica gives neither.

use sqlx::PgPool;
use workflow_core::HistoryEntry;
use workflow_core::adapter::{BackendError, DeadLetter, HistoryQuery, ListPage, ListQuery};

use super::connect::{Conn, Place};
use super::reading::{Reading, read};
use super::transaction::Database;
use super::{list, read};

/// Where lists, histories and dead letters are read.
pub(super) struct Display {
    primary: Database,
    replica: Option<Replica>,
}

/// A copy of the database, as old as it may be.
struct Replica {
    pool: PgPool,
    place: Place,
}

impl Replica {
    async fn reading(&self) -> Result<Reading, sqlx::Error> {
        Reading::begin(self.pool.acquire().await?, &self.place).await
    }

    /// The primary has it as well, so that a replica that is away, or has no tables yet, is no failure.
    fn passed_over(&self, what: &str, error: sqlx::Error) {
        let error = self.place.wrap(what, error);
        tracing::warn!(error = %error, "the replica did not answer, and the primary is asked");
    }
}

/// Runs a query on the replica, or else on the primary.
macro_rules! shown {
    ($display:ident, $what:literal, |$connection:ident| $query:expr) => {{
        let copied = match &$display.replica {
            None => None,
            Some(replica) => {
                let copied = async {
                    let mut reading = replica.reading().await?;
                    let $connection = &mut Conn::new(&mut *reading, $display.primary.statements());
                    let value = $query.await?;
                    reading.end().await?;
                    Ok::<_, sqlx::Error>(value)
                };
                copied.await.map_err(|error| replica.passed_over($what, error)).ok()
            }
        };
        match copied {
            Some(value) => Ok(value),
            None => read!($display.primary, $what, |$connection| $query),
        }
    }};
}

impl Display {
    pub(super) fn new(primary: Database, replica: Option<Place>) -> Self {
        // It may be away for now, so no connection is made yet.
        let replica = replica.map(|place| Replica { pool: place.lazy_pool(), place });
        Self { primary, replica }
    }

    pub(super) async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        shown!(self, "list runs", |connection| list::list(connection, query))
    }

    pub(super) async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        shown!(self, "read a history", |connection| read::history(connection, query))?
    }

    pub(super) async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        shown!(self, "read dead letters", |connection| read::dead_letters(connection, limit))
    }

    /// Closes the replica's connections.
    pub(super) async fn close(&self) {
        if let Some(replica) = &self.replica {
            replica.pool.close().await;
        }
    }
}
