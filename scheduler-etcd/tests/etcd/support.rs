//! What the tests share: a namespace for each, roles, and processes that work as the engine does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use scheduler_etcd::{EtcdConfig, EtcdObserver, EtcdScheduler, OwnedRole};
use tokio::task::JoinSet;
use uuid::Uuid;
use workflow_core::adapter::{EpochClaim, Lease, RoleClaim, RoleScheduler};
use workflow_core::{GroupName, Namespace, Shard, StatusCode, WorkflowName};

/// After so long a test has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// The etcd that tests share.
pub(crate) fn endpoints() -> Vec<String> {
    let endpoints = std::env::var("WORKFLOW_ETCD_ENDPOINTS").expect(
        "the tests need an etcd: run `cargo xtask services up`, or set WORKFLOW_ETCD_ENDPOINTS=http://127.0.0.1:2379",
    );
    endpoints.split(',').map(str::to_owned).collect()
}

pub(crate) fn fresh_namespace() -> Namespace {
    Namespace::new(format!("t{}", Uuid::new_v4().simple())).unwrap()
}

/// A namespace of its own on the shared etcd, where roles move at once.
pub(crate) fn fresh() -> EtcdConfig {
    quick(endpoints())
}

/// A namespace of its own on these endpoints, where roles move at once.
pub(crate) fn quick(endpoints: impl IntoIterator<Item = String>) -> EtcdConfig {
    EtcdConfig::new(endpoints).namespace(fresh_namespace()).hold_min(Duration::ZERO)
}

pub(crate) async fn connect(config: &EtcdConfig) -> EtcdScheduler {
    EtcdScheduler::connect(config.clone()).await.unwrap()
}

pub(crate) fn group(number: i32) -> GroupName {
    GroupName::of_step(&WorkflowName::new("orders").unwrap(), StatusCode::new(number).unwrap())
}

pub(crate) fn shard_claim(number: i32, shard: Shard) -> RoleClaim {
    let group = group(number);
    RoleClaim { role: group.role(shard), group, shard }
}

pub(crate) fn role(number: i32) -> RoleClaim {
    shard_claim(number, Shard::WHOLE)
}

pub(crate) fn epoch_of(lease: &Lease) -> u64 {
    match lease.epoch {
        EpochClaim::At(epoch) => epoch.get(),
        EpochClaim::Next => panic!("etcd gives epochs"),
    }
}

/// Waits for something, and fails the test if it never comes.
pub(crate) async fn soon<V>(what: &str, future: impl Future<Output = V>) -> V {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("it never came about that {what}"),
    }
}

/// Looks again and again until a condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A process that claims roles as the engine does: it works until `lost`, ends, and claims again.
pub(crate) struct Worker {
    pub(crate) scheduler: EtcdScheduler,
    tasks: JoinSet<()>,
}

impl Worker {
    pub(crate) async fn start(config: &EtcdConfig, claims: impl IntoIterator<Item = RoleClaim>) -> Self {
        let scheduler = connect(config).await;
        let mut tasks = JoinSet::new();
        for claim in claims {
            let scheduler = scheduler.clone();
            tasks.spawn(async move {
                while let Ok(lease) = scheduler.claim(claim.clone()).await {
                    lease.lost.cancelled().await;
                }
            });
        }
        Self { scheduler, tasks }
    }

    /// Drops what it does, as a process does that is told to end.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.scheduler.close().await;
    }
}

/// Looks on at a namespace.
#[derive(Clone)]
pub(crate) struct Onlooker(Arc<EtcdObserver>);

impl Onlooker {
    pub(crate) async fn new(config: &EtcdConfig) -> Self {
        Self(Arc::new(EtcdObserver::connect(config.clone()).await.unwrap()))
    }

    pub(crate) async fn roles(&self) -> Vec<OwnedRole> {
        self.0.roles().await.unwrap()
    }

    /// How many roles each of the workers owns.
    pub(crate) async fn shares<const N: usize>(&self, workers: [&Worker; N]) -> [usize; N] {
        let roles = self.roles().await;
        workers
            .map(|worker| roles.iter().filter(|owned| owned.instance == worker.scheduler.instance()).count())
    }
}
