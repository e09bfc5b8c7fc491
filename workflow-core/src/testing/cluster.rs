//! Several processes of one test on one store, with a relay between the store and the stream.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Faults, FaultyStore, FaultyStreamer, Kit, ManualClock, SharedRoles, SharedStream};
use crate::EventId;
use crate::adapter::{
    Backend, BackendError, Change, EventStreamer, OutboxPage, Outcome, Publication, Store, StoreLimits,
    Waking,
};
use crate::memory::MemoryStore;

/// How many outbox rows the relay reads at once.
const PAGE: usize = 200;

/// How often a process looks at what others stored, at most: time that is skipped should not be held up by it.
const POLL_EVERY: Duration = Duration::from_secs(600);

/// A cluster in one test: each [`Kit`] that it gives is a process of its own, on the same store, stream and roles.
///
/// ```
/// use workflow_core::testing::Cluster;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cluster = Cluster::memory();
/// let (first, second) = (cluster.kit(), cluster.kit());
/// assert!(cluster.roles().owners().is_empty());
/// # let _ = (first, second);
/// # }
/// ```
pub struct Cluster {
    make: Box<dyn Fn(u32) -> Kit + Send + Sync>,
    processes: AtomicU32,
    stream: SharedStream,
    roles: SharedRoles,
    life: CancellationToken,
}

impl Cluster {
    /// A cluster that keeps everything in memory.
    pub fn memory() -> Self {
        let clock = ManualClock::new();
        Self::on(MemoryStore::new(Arc::new(clock.clone())), clock)
    }

    /// A cluster on any store that was told to go by this clock. Its relay runs in a task, until the cluster is dropped.
    pub fn on(store: impl Store + Clone, clock: ManualClock) -> Self {
        let (stream, roles, life) = (SharedStream::new(), SharedRoles::new(), CancellationToken::new());
        let store = Arc::new(Ringing { store, doorbell: Notify::new() });
        tokio::spawn(relay(Arc::clone(&store), stream.clone(), life.clone()));
        let (of_kits, roles_of_kits) = (stream.clone(), roles.clone());
        let make = move |process| {
            let faults = Faults::new();
            let backend = Backend::new(
                FaultyStore::new(Shares(Arc::clone(&store)), faults.clone()),
                FaultyStreamer::new(of_kits.clone(), faults.clone()),
                roles_of_kits.of_process(process),
            );
            Kit::of(clock.clone(), faults, backend)
        };
        Self { make: Box::new(make), processes: AtomicU32::new(0), stream, roles, life }
    }

    /// One more process; the first has the number 1.
    pub fn kit(&self) -> Kit {
        (self.make)(self.processes.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The roles, to be taken away.
    pub fn roles(&self) -> &SharedRoles {
        &self.roles
    }

    /// The stream, to be disturbed.
    pub fn stream(&self) -> &SharedStream {
        &self.stream
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.life.cancel();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("roles", &self.roles.owners()).finish_non_exhaustive()
    }
}

/// A store that wakes the relay after each commit.
struct Ringing<S> {
    store: S,
    doorbell: Notify,
}

/// One process's handle of it.
struct Shares<S>(Arc<Ringing<S>>);

impl<S: Store> Store for Ringing<S> {
    fn limits(&self) -> StoreLimits {
        self.store.limits()
    }

    fn waking(&self) -> Waking {
        Waking::Poll(POLL_EVERY)
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        let stored = self.store.commit(changes, acked).await;
        self.doorbell.notify_one();
        stored
    }

    crate::delegate_store!(store: clock, start_engine, stop_engine, lookup, latest, started_by, list, history);
    crate::delegate_store!(store: entered, outbox, due, retry, retries, inbox, last_slot, dead_letters, register);
    crate::delegate_store!(store: waiting_retries, driverless, purge);
}

impl<S: Store> Store for Shares<S> {
    fn limits(&self) -> StoreLimits {
        self.0.limits()
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        self.0.commit(changes, acked).await
    }

    crate::delegate_store!(0);
}

/// Publishes what is in the outbox, whenever something was stored.
async fn relay<S: Store>(store: Arc<Ringing<S>>, stream: SharedStream, life: CancellationToken) {
    loop {
        tokio::select! {
            () = store.doorbell.notified() => {}
            () = life.cancelled() => return,
        }
        let _hold = store.clock().hold();
        if let Err(error) = pass(&store.store, &stream).await {
            tracing::warn!(error = %error, "the relay of a test could not publish");
            store.doorbell.notify_one();
        }
    }
}

async fn pass(store: &impl Store, stream: &SharedStream) -> Result<(), BackendError> {
    let mut after: Option<Arc<str>> = None;
    loop {
        let OutboxPage { rows, more } = store.outbox(after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(Arc::clone(&last.id));
        let readable = rows.iter().filter_map(|row| Some((row.event.as_ref().ok()?, row.created_at)));
        let publications: Vec<Publication> = readable
            .map(|((row, event), at)| Publication { row: *row, event: Arc::clone(event), record: None, at })
            .collect();
        let published = publications.iter().map(|publication| publication.row).collect();
        stream.send(publications).await?;
        store.commit(Vec::new(), published).await?;
        if !more {
            return Ok(());
        }
    }
}
