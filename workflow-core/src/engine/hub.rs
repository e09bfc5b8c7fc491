//! What all workflows on one backend share: committers, outbox, the poller of due work, waiters.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::acks::Acks;
use super::commit::{Aftermath, CommitQueue};
use super::due::{self, DueHints, Takers, TakesDue};
use super::lookups::Lookups;
use super::metrics::ProcessMetrics;
use super::moved::Moved;
use super::outbox::{self, Outbox};
use super::wait;
use super::waiters::Waiters;
use crate::adapter::{Backend, BackendError, Clock, DynScheduler, DynStore, DynStreamer, Reach, Waking};
use crate::{Error, OutboxOptions, WorkflowName};

pub(crate) struct Hub {
    pub(crate) store: Arc<dyn DynStore>,
    pub(crate) streamer: Arc<dyn DynStreamer>,
    pub(crate) scheduler: Arc<dyn DynScheduler>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) commits: CommitQueue,
    pub(crate) lookups: Lookups,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) due: Arc<DueHints>,
    pub(crate) moved: Arc<Moved>,
    engines: tokio::sync::Mutex<Engines>,
    takers: Mutex<Takers>,
    life: CancellationToken,
    /// How many engines were dropped and have not left yet.
    leaving: watch::Sender<usize>,
}

/// An engine that was dropped and has not left yet.
pub(crate) struct Leaving(Arc<Hub>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leaving.send_modify(|leaving| *leaving -= 1);
    }
}

/// The engines that run on this hub, and the tasks that serve them all.
#[derive(Default)]
struct Engines {
    names: HashSet<String>,
    serving: Option<(CancellationToken, TaskTracker)>,
}

impl Hub {
    /// The hub of a backend; made by the first that asks.
    pub(crate) fn of(backend: &Backend) -> Arc<Self> {
        backend.shared(|| Self::start(backend))
    }

    fn start(backend: &Backend) -> Arc<Self> {
        let (store, streamer) = (Arc::clone(backend.store()), Arc::clone(backend.streamer()));
        let clock = store.clock();
        let acks = Arc::new(Acks::default());
        let outbox = Arc::new(Outbox::new(Arc::clone(&store), Arc::clone(&streamer), Arc::clone(&acks)));
        let (waiters, moved) = (Arc::new(Waiters::default()), Arc::new(Moved::default()));
        let due = Arc::new(DueHints::new(Arc::clone(&clock)));
        let aftermath = Aftermath {
            acks,
            outbox: Arc::clone(&outbox),
            waiters: Arc::clone(&waiters),
            due: Arc::clone(&due),
            moved: Arc::clone(&moved),
        };
        let commits = CommitQueue::start(&store, &aftermath);
        let lookups = Lookups::start(&store);
        let hub = Arc::new(Self {
            store,
            streamer,
            scheduler: Arc::clone(backend.scheduler()),
            clock,
            commits,
            lookups,
            outbox,
            waiters,
            due,
            moved,
            engines: tokio::sync::Mutex::default(),
            takers: Mutex::default(),
            life: CancellationToken::new(),
            leaving: watch::Sender::new(0),
        });
        if let Waking::Poll(ceiling) = hub.store.waking() {
            tokio::spawn(wait::poll(Arc::downgrade(&hub), ceiling, hub.life.clone()));
        }
        hub
    }

    /// Whether outbox rows are published by this process. Engines of a cluster leave them to the relay: it alone keeps each run's
    /// events in their order.
    pub(crate) fn relays(&self) -> bool {
        self.scheduler.reach() == Reach::Process
    }

    /// Claims the store for an engine of this process, and starts what serves all engines if it is the first.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        name: &WorkflowName,
        options: OutboxOptions,
    ) -> Result<(), Error> {
        // An engine that was dropped may not have left yet. It keeps the sender, so that the wait cannot fail.
        let _ = self.leaving.subscribe().wait_for(|leaving| *leaving == 0).await;
        let mut engines = self.engines.lock().await;
        let normal = name.as_str().to_lowercase().replace(' ', "_");
        if engines.names.contains(&normal) {
            let reason =
                "it runs on this backend already, or another whose topics and roles have the same names";
            return Err(Error::CannotRun { workflow: name.clone(), reason: reason.to_owned() });
        }
        if (self.scheduler.reach(), self.streamer.reach()) == (Reach::Cluster, Reach::Process) {
            let reason = "its roles are shared by a cluster, but the events of this streamer reach no other process: use a streamer of the cluster, or a scheduler of this process";
            return Err(Error::CannotRun { workflow: name.clone(), reason: reason.to_owned() });
        }
        if engines.serving.is_none() {
            self.store.start_engine(self.scheduler.reach()).await?;
            engines.serving = Some(self.serve(options));
            self.waiters.open();
        }
        engines.names.insert(normal);
        Ok(())
    }

    fn serve(self: &Arc<Self>, options: OutboxOptions) -> (CancellationToken, TaskTracker) {
        let (scope, tasks) = (CancellationToken::new(), TaskTracker::new());
        if self.relays() {
            tasks.spawn(outbox::relay(Arc::clone(self), options, scope.clone()));
            tasks.spawn(outbox::collect_settled(Arc::clone(self), scope.clone()));
        }
        tasks.spawn(due::poll_due(Arc::clone(self), scope.clone()));
        tasks.close();
        (scope, tasks)
    }

    /// Says that an engine is about to leave: the next one waits until the answer is dropped.
    pub(crate) fn leaving(self: &Arc<Self>) -> Leaving {
        self.leaving.send_modify(|leaving| *leaving += 1);
        Leaving(Arc::clone(self))
    }

    /// An engine has ended; the last one gives the store back.
    pub(crate) async fn leave(&self, name: &WorkflowName) {
        let mut engines = self.engines.lock().await;
        engines.names.remove(&name.as_str().to_lowercase().replace(' ', "_"));
        self.outbox.close_for(name.as_str());
        self.lock_takers().remove(name);
        if engines.names.is_empty()
            && let Some((scope, tasks)) = engines.serving.take()
        {
            scope.cancel();
            tasks.wait().await;
            // What was settled last has not been collected, perhaps.
            self.outbox.acks_of(self.streamer.settled().now_or_never().unwrap_or_default());
            self.outbox.close().await;
            self.flush().await;
            self.store.stop_engine().await;
            if self.store.waking() == Waking::Never {
                self.waiters.close();
            }
        }
    }

    /// Deletes what is settled, so that the next start does not read it again.
    async fn flush(&self) {
        if let Err(error) = self.commits.commit(Vec::new()).await {
            tracing::debug!(error = %super::with_causes(&error), "settled outbox rows could not be deleted at the end");
        }
    }

    /// Gives a workflow its due work, and publishes its rows.
    pub(crate) fn register(
        &self,
        name: &WorkflowName,
        taker: Weak<dyn TakesDue>,
        outbox_metrics: Option<Arc<ProcessMetrics>>,
    ) {
        self.lock_takers().insert(name.clone(), taker);
        // Without instruments, the rows are left to a relay elsewhere.
        if let Some(metrics) = outbox_metrics {
            self.outbox.open_for(name.as_str().into(), metrics);
        }
        self.due.dealt_with();
    }

    /// The workflows whose due work, or a part of it, is this process's to deal with.
    pub(crate) fn takers(&self) -> Takers {
        let takers = self.lock_takers();
        let owns = |taker: &&Weak<dyn TakesDue>| taker.upgrade().is_some_and(|taker| taker.owns_some());
        let owning = takers.iter().filter(|(_, taker)| owns(taker));
        owning.map(|(name, taker)| (name.clone(), Weak::clone(taker))).collect()
    }

    fn lock_takers(&self) -> std::sync::MutexGuard<'_, HashMap<WorkflowName, Weak<dyn TakesDue>>> {
        self.takers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error of the store, as one of a call.
    pub(crate) async fn commit_one(
        &self,
        change: crate::adapter::Change,
    ) -> Result<crate::adapter::Outcome, BackendError> {
        self.commits.commit_one(change).await
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.life.cancel();
    }
}
