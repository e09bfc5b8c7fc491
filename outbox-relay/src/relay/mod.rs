//! The relay: a role for each shard, and the work under it.

pub(crate) mod alone;
pub(crate) mod bell;
mod ledger;
pub(crate) mod metrics;
pub(crate) mod options;
mod sending;
mod shard;
mod spans;
mod state;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use workflow_core::adapter::{EventStreamer, Lease, RelayStore, RoleClaim, RoleScheduler, TraceLink};
use workflow_core::{GroupName, RoleName, Shard};

use bell::Bell;
use metrics::{RelayMetrics, ShardMetrics};
use options::RelayOptions;
use shard::{ShardWork, Until};

/// How long the wait is before a role is claimed again that was lost, or could not be claimed.
const CLAIM_AGAIN: Duration = Duration::from_millis(500);

/// How long a role may take to be had before it counts as another relay's.
const LOOK_FIRST: Duration = Duration::from_secs(2);

/// How often it is looked whether the other relay has published everything.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How the work on the outbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drained {
    /// All that was there is published.
    All,
    /// It was stopped, and nothing was under way any more.
    Stopped,
    /// What is left cannot be published now: its topics refuse, or a server does not answer.
    Left,
    /// It ended in the middle: the role was lost, or the time to drain was over. Some events may be published again.
    Interrupted,
}

/// Publishes the outbox of one store.
///
/// ```
/// use std::sync::Arc;
/// use outbox_relay::{Drained, Relay, RelayMetrics};
/// use workflow_core::adapter::SystemClock;
/// use workflow_core::memory::{InProcessScheduler, InProcessStreamer, MemoryStore};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// let relay = Relay::new(store, InProcessStreamer::new(), InProcessScheduler::new(), RelayMetrics::new());
/// assert_eq!(relay.drain(Default::default()).await, Drained::All);
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Relay<S, T, C> {
    store: Arc<S>,
    streamer: Arc<T>,
    scheduler: Arc<C>,
    metrics: RelayMetrics,
    trace: Option<Arc<dyn TraceLink>>,
    options: RelayOptions,
    shards: NonZeroU32,
    bell: Bell,
}

impl<S: RelayStore, T: EventStreamer, C: RoleScheduler> Relay<S, T, C> {
    /// A relay of one shard, with the default options and without a doorbell.
    pub fn new(store: S, streamer: T, scheduler: C, metrics: RelayMetrics) -> Self {
        Self {
            store: Arc::new(store),
            streamer: Arc::new(streamer),
            scheduler: Arc::new(scheduler),
            metrics,
            trace: None,
            options: RelayOptions::default(),
            shards: NonZeroU32::MIN,
            bell: Bell::silent(),
        }
    }

    /// Other bounds and times.
    pub fn options(mut self, options: RelayOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes the way of each event to the stream a span in the trace of its run.
    ///
    /// ```
    /// use outbox_relay::{Relay, RelayMetrics};
    /// use telemetry::{Telemetry, TelemetryConfig};
    /// # use workflow_core::{adapter::SystemClock, memory::{InProcessScheduler, InProcessStreamer, MemoryStore}};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let telemetry = Telemetry::new(&TelemetryConfig::default())?;
    /// let metrics = RelayMetrics::on(&telemetry.meter("outbox-relay"));
    /// # let store = MemoryStore::new(std::sync::Arc::new(SystemClock::new()));
    /// let relay = Relay::new(store, InProcessStreamer::new(), InProcessScheduler::new(), metrics);
    /// let relay = relay.trace_link(telemetry.link());
    /// # drop(relay);
    /// # Ok::<(), telemetry::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trace_link(mut self, link: impl TraceLink) -> Self {
        self.trace = Some(Arc::new(link));
        self
    }

    /// How many shards the outbox is divided into; the same for all relays of a database.
    pub fn shards(mut self, shards: NonZeroU32) -> Self {
        self.shards = shards;
        self
    }

    /// Where those who store rows ring.
    pub fn bell(mut self, bell: Bell) -> Self {
        self.bell = bell;
        self
    }

    /// Works on every shard whose role it owns, until it is stopped; what is under way then is ended first.
    pub async fn run(self, stop: CancellationToken) -> Drained {
        self.work(stop, Until::Stopped).await
    }

    /// Publishes what is there, of all shards, and ends.
    pub async fn drain(self, stop: CancellationToken) -> Drained {
        self.work(stop, Until::Drained).await
    }

    async fn work(self, stop: CancellationToken, until: Until) -> Drained {
        let relay = Arc::new(self);
        let shards = Shard::all(relay.shards).map(|shard| {
            let (relay, stop) = (Arc::clone(&relay), stop.clone());
            tokio::spawn(async move { relay.own(shard, stop, until).await })
        });
        let ends = join_all(shards).await.into_iter().map(|end| end.unwrap_or(Drained::Interrupted));
        ends.max().unwrap_or(Drained::All)
    }

    /// Waits for the role of a shard and works under it, again and again.
    async fn own(&self, shard: Shard, stop: CancellationToken, until: Until) -> Drained {
        let (group, clock) = (GroupName::of_relay(), self.store.clock());
        let role = group.role(shard);
        let metrics = self.metrics.shard(shard);
        loop {
            let claim = RoleClaim { group: group.clone(), role: role.clone(), shard };
            let claimed = tokio::select! {
                claimed = self.scheduler.claim(claim) => claimed,
                () = self.published_by_another(shard, &role), if until == Until::Drained => return Drained::All,
                () = stop.cancelled() => return Drained::Stopped,
            };
            let end = match claimed {
                Ok(lease) => self.under(lease, shard, &role, (&metrics, &stop, until)).await,
                Err(error) => {
                    tracing::warn!(role = %role, error = %causes(&error), "the role cannot be claimed");
                    Drained::Interrupted
                }
            };
            if until == Until::Drained || stop.is_cancelled() {
                return end;
            }
            tokio::select! {
                () = clock.sleep(CLAIM_AGAIN) => {}
                () = stop.cancelled() => return end,
            }
        }
    }

    /// Waits until nothing is left of a shard that another relay owns: nobody who is asked to publish what is there waits for
    /// a role that the other one will keep.
    async fn published_by_another(&self, shard: Shard, role: &RoleName) {
        let clock = self.store.clock();
        clock.sleep(LOOK_FIRST).await;
        tracing::info!(role = %role, "another relay owns the role; waiting until it has published what is there, or ends");
        loop {
            match self.store.depth(shard).await {
                Ok(depth) if depth.rows == 0 => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(role = %role, error = %causes(&error), "the outbox cannot be measured")
                }
            }
            clock.sleep(LOOK_EVERY).await;
        }
    }

    async fn under(
        &self,
        lease: Lease,
        shard: Shard,
        role: &RoleName,
        (metrics, stop, until): (&Arc<ShardMetrics>, &CancellationToken, Until),
    ) -> Drained {
        tracing::info!(role = %role, "the role is owned");
        metrics.taken_over();
        self.announce(role, self.bell.address()).await;
        let work = ShardWork {
            store: Arc::clone(&self.store),
            streamer: Arc::clone(&self.streamer),
            shard,
            options: self.options.clone(),
            metrics: Arc::clone(metrics),
            trace: self.trace.clone(),
            bell: self.bell.clone(),
            stop: stop.clone(),
        };
        let lost = lease.lost.clone();
        let end = tokio::select! {
            end = work.run(lost.clone(), until) => end,
            () = self.measure(shard, metrics) => Drained::Interrupted,
        };
        metrics.given_up();
        tracing::info!(role = %role, end = ?end, "the work under the role has ended");
        if !lost.is_cancelled() && self.bell.address().is_some() {
            self.announce(role, None).await;
        }
        end
    }

    async fn announce(&self, role: &RoleName, address: Option<&str>) {
        if self.bell.address().is_none() {
            return;
        }
        if let Err(error) = self.store.announce(role, address).await {
            tracing::warn!(role = %role, error = %causes(&error), "the doorbell cannot be announced: rows are found by polling");
        }
    }

    /// Measures the depth of the shard, for ever.
    async fn measure(&self, shard: Shard, metrics: &ShardMetrics) {
        let clock = self.store.clock();
        loop {
            match self.store.depth(shard).await {
                Ok(depth) => metrics.depth(depth),
                Err(error) => {
                    tracing::debug!(shard = %shard, error = %error, "the outbox cannot be measured")
                }
            }
            clock.sleep(self.options.measure_every).await;
        }
    }
}

/// An error with its causes, on one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
