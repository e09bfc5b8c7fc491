//! Carrying rows of the outbox to the topics: reads go on while the deletion of what was published is under way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::outbox::{Outbox, Row};
use super::producer::Producer;

/// How long it rests if nobody rings.
const REST: Duration = Duration::from_millis(100);

/// Rung by committers, heard by every relay.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<Mutex<Vec<Arc<Notify>>>>);

impl Bell {
    pub(crate) fn ear(&self) -> Arc<Notify> {
        let ear = Arc::<Notify>::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&ear));
        ear
    }

    pub(crate) fn ring(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|ear| ear.notify_one());
    }
}

/// A relay of one shard.
pub(crate) struct Relay<O> {
    shard: u32,
    reader: O,
    deleter: O,
    producer: Producer,
    ear: Arc<Notify>,
}

impl Relay<()> {
    pub(crate) async fn open<O: Outbox>(
        url: &str,
        shard: u32,
        producer: Producer,
        ear: Arc<Notify>,
    ) -> anyhow::Result<Relay<O>> {
        Ok(Relay { shard, reader: O::open(url).await?, deleter: O::open(url).await?, producer, ear })
    }
}

impl<O: Outbox> Relay<O> {
    /// Relays until it fails, or is dropped.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut sent = HashSet::new();
        let (acknowledged, to_delete) = mpsc::unbounded_channel();
        let gone = Arc::<Mutex<Vec<String>>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(delete(self.deleter, to_delete, Arc::clone(&gone)));
        loop {
            // A read that begins now no longer sees them.
            for id in std::mem::take(&mut *gone.lock().unwrap_or_else(PoisonError::into_inner)) {
                sent.remove(&id);
            }
            let mut rows = self.reader.page(self.shard).await?;
            rows.retain(|(id, _)| !sent.contains(id));
            if rows.is_empty() {
                tokio::select! {
                    () = self.ear.notified() => {}
                    () = tokio::time::sleep(REST) => {}
                    Some(ended) = tasks.join_next() => ended.context("a deletion panicked")??,
                }
                continue;
            }
            let all = self.producer.send(&rows)?;
            sent.extend(rows.iter().map(|(id, _)| id.clone()));
            let acknowledged = acknowledged.clone();
            tasks.spawn(async move {
                ensure!(all.await.unwrap_or(false), "events were not delivered");
                // The deleting task ends with its relay only.
                let _ = acknowledged.send(rows);
                Ok(())
            });
        }
    }
}

async fn delete(
    mut outbox: impl Outbox,
    mut acknowledged: mpsc::UnboundedReceiver<Vec<Row>>,
    gone: Arc<Mutex<Vec<String>>>,
) -> anyhow::Result<()> {
    let mut batches = Vec::new();
    while acknowledged.recv_many(&mut batches, 100).await > 0 {
        let mut ids: Vec<String> = batches.drain(..).flatten().map(|(id, _)| id).collect();
        ids.sort_unstable();
        outbox.delete(&ids).await?;
        gone.lock().unwrap_or_else(PoisonError::into_inner).append(&mut ids);
    }
    Ok(())
}
