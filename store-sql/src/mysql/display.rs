//! What people look at: from a replica, if there is one.
//!
//! A replica lags, so nothing that a write is decided by may come from it. It never leaves this file: whatever decides
//! takes a [`Server`] or a connection of one, and the store has none but the primary.

use std::sync::Arc;

use workflow_core::HistoryEntry;
use workflow_core::adapter::{BackendError, BoxFuture, DeadLetter, HistoryQuery, ListPage, ListQuery};

use super::server::{Conn, Server};
use super::{list, read};

/// Where lists, histories and dead letters are read.
pub(super) struct Display {
    primary: Arc<Server>,
    replica: Option<Replica>,
}

/// A copy of the database, as old as it may be.
struct Replica(Arc<Server>);

impl Display {
    pub(super) fn new(primary: Arc<Server>, replica: Option<Server>) -> Self {
        Self { primary, replica: replica.map(|server| Replica(Arc::new(server))) }
    }

    pub(super) async fn list(&self, query: &ListQuery) -> Result<ListPage, BackendError> {
        let query = Arc::new(query.clone());
        self.read("list runs", move |mut connection| {
            let query = Arc::clone(&query);
            Box::pin(async move { list::list(&mut connection, &query).await })
        })
        .await
    }

    pub(super) async fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, BackendError> {
        let query = *query;
        self.read("read a history", move |mut connection| {
            Box::pin(async move { read::history(&mut connection, &query).await })
        })
        .await?
    }

    pub(super) async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BackendError> {
        self.read("read dead letters", move |mut connection| {
            Box::pin(async move { read::dead_letters(&mut connection, limit).await })
        })
        .await
    }

    /// The primary has it as well, so that a replica that is away, or has no tables yet, is no failure.
    async fn read<V, W>(&self, what: &'static str, work: W) -> Result<V, BackendError>
    where
        V: Send + 'static,
        W: for<'c> Fn(Conn<'c>) -> BoxFuture<'c, Result<V, sqlx::Error>> + Clone + Send + Sync + 'static,
    {
        if let Some(Replica(replica)) = &self.replica {
            match replica.read(what, work.clone()).await {
                Ok(value) => return Ok(value),
                Err(error) => {
                    tracing::warn!(error = %error, "the replica did not answer, and the primary is asked");
                }
            }
        }
        self.primary.read(what, work).await
    }

    /// Closes the replica's connections.
    pub(super) async fn close(&self) {
        if let Some(Replica(replica)) = &self.replica {
            replica.pool.close().await;
        }
    }
}
