//! The scheduler as the engine sees it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workflow_core::RoleName;
use workflow_core::adapter::{BackendError, Lease, Reach, RoleClaim, RoleScheduler};

use crate::config::EtcdConfig;
use crate::driver::{Driver, Message, Shared, Waiter};
use crate::error::EtcdError;
use crate::link::Link;
use crate::observer::{EtcdObserver, OwnedRole};
use crate::session::{Deadline, Probe};

/// Roles that etcd decides about, for the processes of one namespace.
///
/// One for each process: it has one lease, which a thread of its own renews. A handle is cheap to clone. When the last is
/// dropped, the roles are given back; [`close`](Self::close) does so and waits for it.
///
/// ```no_run
/// use scheduler_etcd::{EtcdConfig, EtcdScheduler};
/// use workflow_core::adapter::{RoleClaim, RoleScheduler};
/// use workflow_core::{GroupName, Shard, WorkflowName};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let scheduler = EtcdScheduler::connect(EtcdConfig::new(["http://127.0.0.1:2379"])).await?;
/// let group = GroupName::of_deletions(&WorkflowName::new("orders")?);
/// let claim = RoleClaim { role: group.single_role(), group, shard: Shard::WHOLE };
/// let lease = scheduler.claim(claim).await?;
/// lease.lost.cancelled().await;
/// drop(lease);
/// scheduler.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EtcdScheduler {
    inner: Arc<Inner>,
}

struct Inner {
    messages: mpsc::UnboundedSender<Message>,
    config: EtcdConfig,
    instance: String,
    shared: Arc<Shared>,
    waiters: AtomicU64,
}

impl EtcdScheduler {
    /// Opens this process's session.
    ///
    /// Must be called on the runtime that works under the roles: while that does not answer, the lease is not renewed.
    ///
    /// # Errors
    /// [`EtcdError`] if the configuration has mistakes, no endpoint answers, or etcd refuses the user.
    pub async fn connect(config: EtcdConfig) -> Result<Self, EtcdError> {
        config.check()?;
        let id = Uuid::new_v4().simple().to_string();
        let name = config.instance_name.clone().unwrap_or_else(process_name);
        let link = Link::new(Arc::new(config.clone()));
        let shared = Arc::new(Shared {
            deadline: Arc::new(Deadline::default()),
            session_lost: std::sync::Mutex::new(CancellationToken::new()),
        });
        let (messages, received) = mpsc::unbounded_channel();
        let driver = Driver::new(
            (link, Probe::start()),
            Arc::clone(&shared),
            (id.clone(), name),
            received,
            messages.downgrade(),
        );
        start_thread(driver).await?;
        Ok(Self {
            inner: Arc::new(Inner { messages, config, instance: id, shared, waiters: AtomicU64::new(0) }),
        })
    }

    /// The id under which this process is known in etcd.
    pub fn instance(&self) -> &str {
        &self.inner.instance
    }

    /// Whether this process's session holds, judged by the clock now.
    ///
    /// After the process was stopped, `lost` of its leases is cancelled as soon as the thread that watches the deadline runs again.
    /// This asks the clock itself, and cancels `lost` if the deadline has passed: ask it before an effect that nothing else
    /// guards.
    pub fn is_held(&self) -> bool {
        let passed = self.inner.shared.deadline.has_passed();
        if passed {
            self.inner.shared.session_lost.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        }
        !passed
    }

    /// Who owns which role of the namespace, by role.
    ///
    /// # Errors
    /// [`EtcdError`] if etcd does not answer.
    pub async fn roles(&self) -> Result<Vec<OwnedRole>, EtcdError> {
        EtcdObserver::connect(self.inner.config.clone()).await?.roles().await
    }

    /// Makes sure that the namespace belongs to this database: the first to ask binds it.
    ///
    /// Ask it at the start, with the random id that is kept in the database, before any role is claimed: two databases with one
    /// namespace would take each other's roles away.
    ///
    /// # Errors
    /// [`EtcdError::ForeignDatabase`] if it belongs to another; others if etcd does not answer.
    pub async fn bind_namespace(&self, database: Uuid) -> Result<(), EtcdError> {
        crate::binding::bind(&Link::new(Arc::new(self.inner.config.clone())), database).await
    }

    /// Gives all roles back and ends the session; what is still owned is lost.
    ///
    /// Drop all leases first: they are for those who must end their work before another begins.
    pub async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.inner.messages.send(Message::Close { done }).is_ok() {
            // An error says that the thread has ended, as was wanted.
            drop(ended.await);
        }
    }
}

impl std::fmt::Debug for EtcdScheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EtcdScheduler").field("instance", &self.inner.instance).finish_non_exhaustive()
    }
}

/// Tells the loop that a claim's future was dropped.
struct Withdrawal<'a> {
    inner: &'a Inner,
    role: RoleName,
    id: u64,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        // A claim that has ended is not known there any more.
        drop(self.inner.messages.send(Message::Withdraw { role: self.role.clone(), id: self.id }));
    }
}

impl RoleScheduler for EtcdScheduler {
    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    async fn claim(&self, claim: RoleClaim) -> Result<Lease, BackendError> {
        let (reply, lease) = oneshot::channel();
        let id = self.inner.waiters.fetch_add(1, Ordering::Relaxed);
        let withdrawal = Withdrawal { inner: &self.inner, role: claim.role.clone(), id };
        let waiter = Waiter { id, reply };
        self.inner.messages.send(Message::Claim { claim, waiter }).map_err(|_| EtcdError::Closed)?;
        let lease = lease.await.map_err(|_| EtcdError::Closed)?;
        drop(withdrawal);
        Ok(lease)
    }
}

/// Starts the thread that renews the lease and claims roles; ends when the first session is open.
async fn start_thread(driver: Driver) -> Result<(), EtcdError> {
    let (opened, first) = oneshot::channel();
    let work = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(opened.send(Err(EtcdError::Thread(error)))),
        };
        runtime.block_on(async {
            match driver.open().await {
                // Nobody waits any more: `connect` was dropped, and the lease goes with the end of the loop.
                Ok(session) => {
                    drop(opened.send(Ok(())));
                    driver.run(session).await;
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        });
    };
    std::thread::Builder::new().name("etcd-session".to_owned()).spawn(work).map_err(EtcdError::Thread)?;
    first.await.map_err(|_| EtcdError::Closed)?
}

/// Host and process number, for people.
fn process_name() -> String {
    #[cfg(unix)]
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let host = std::env::var("COMPUTERNAME").unwrap_or_default();
    format!("{host}-{}", std::process::id())
}
