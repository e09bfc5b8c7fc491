//! What became of a transaction whose commit was not answered: read back from what it was to store.
//!
//! What is read is read under locks. A transaction that has not ended yet holds them, so that the answer waits until it
//! has: the server ends one whose client is gone.

use std::sync::Arc;

use workflow_core::adapter::{BackendError, Change, Outcome};
use workflow_core::{EventId, Record, RunId};

use super::read;
use super::server::Server;
use super::work::Work;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of it is stored.
    Stored,
    /// Nothing of it is stored.
    NotStored,
    /// What it was to store cannot tell.
    Unknown,
}

/// What became of changes and acknowledgements that were made in one transaction, with what it was about to answer.
pub(super) async fn fate(server: &Arc<Server>, work: &Work, outcomes: &[Outcome]) -> Fate {
    look(server, work, outcomes).await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "what became of a commit cannot be found out");
        Fate::Unknown
    })
}

async fn look(server: &Arc<Server>, work: &Work, outcomes: &[Outcome]) -> Result<Fate, BackendError> {
    let stored = work.together().zip(outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Stored(_)));
    let stored: Vec<&Change> = stored.map(|(change, _)| change).collect();
    // One tells of all; others are asked only if somebody has moved its run on already.
    for wanted in stored.iter().copied().filter_map(witness) {
        match judge(wanted, settled(server, wanted.run_id).await?.as_deref()) {
            Fate::Unknown => {}
            told => return Ok(told),
        }
    }
    match (stored.len(), &work.acked[..]) {
        // Nothing was to be stored, and what was to be deleted is only deleted again.
        (0, []) => Ok(Fate::Stored),
        (0, acked) => acknowledged(server, acked).await,
        (_, _) => Ok(Fate::Unknown),
    }
}

/// A record that can tell: one with an event of its own.
fn witness(change: &Change) -> Option<&Record> {
    change.record.as_ref().filter(|record| record.last_event_id.is_some())
}

fn judge(wanted: &Record, found: Option<&Record>) -> Fate {
    match found {
        None => Fate::NotStored,
        Some(found) if found.version < wanted.version => Fate::NotStored,
        Some(found) if found.version > wanted.version => Fate::Unknown,
        Some(found) if found.last_event_id == wanted.last_event_id => Fate::Stored,
        Some(_) => Fate::NotStored,
    }
}

async fn settled(server: &Arc<Server>, run_id: RunId) -> Result<Option<Arc<Record>>, BackendError> {
    let settled = server.read("find out what was stored", move |mut connection| {
        Box::pin(async move { read::settled(&mut connection, run_id).await })
    });
    settled.await?
}

/// Rows that were to be deleted: one that is there tells that none is.
async fn acknowledged(server: &Arc<Server>, acked: &[EventId]) -> Result<Fate, BackendError> {
    let Some(first) = acked.first().map(EventId::to_string) else { return Ok(Fate::Stored) };
    let there = server
        .read("find out what was deleted", move |mut connection| {
            let first = first.clone();
            Box::pin(async move {
                let text = connection.sql("select 1 from workflow_outbox where id = ? lock in share mode");
                sqlx::query(text).bind(first).fetch_optional(connection.raw()).await
            })
        })
        .await?;
    Ok(if there.is_some() { Fate::NotStored } else { Fate::Stored })
}
