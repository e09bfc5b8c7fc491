//! Roles that several processes of one test share, and that are lost on demand.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::adapter::{BackendError, EpochClaim, Lease, Reach, RoleClaim, RoleScheduler};
use crate::{Epoch, RoleName};

/// The roles of a cluster in one test. Whoever asked first owns a role, until it ends or the test takes the role away.
///
/// ```
/// use workflow_core::adapter::{Reach, RoleScheduler};
/// use workflow_core::testing::SharedRoles;
/// let roles = SharedRoles::new();
/// assert_eq!(roles.of_process(1).reach(), Reach::Cluster);
/// assert!(roles.owners().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct SharedRoles(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queues: Mutex<HashMap<RoleName, Arc<tokio::sync::Mutex<()>>>>,
    owned: Mutex<Owned>,
}

#[derive(Debug, Default)]
struct Owned {
    /// The number of the last owner of any role.
    revision: u64,
    owners: BTreeMap<String, Owner>,
}

#[derive(Clone, Debug)]
struct Owner {
    process: u32,
    revision: u64,
    lost: CancellationToken,
    /// The deadline has passed, and nobody has said so.
    lapsed: Arc<AtomicBool>,
    /// The next one has its turn, whether the owner knows or not.
    gone: CancellationToken,
}

impl SharedRoles {
    /// Roles that nobody owns.
    pub fn new() -> Self {
        Self::default()
    }

    /// The roles as one process sees them.
    pub fn of_process(&self, process: u32) -> SharedScheduler {
        SharedScheduler { roles: self.clone(), process }
    }

    /// Which process owns which role.
    pub fn owners(&self) -> BTreeMap<String, u32> {
        self.owned().owners.iter().map(|(role, owner)| (role.clone(), owner.process)).collect()
    }

    /// Asks for every role back that a process owns: it ends what is in flight and gives them to those that wait.
    pub fn hand_over(&self, process: u32) {
        self.of(process).iter().for_each(|owner| owner.lost.cancel());
    }

    /// Has every role of a process expire: it is told, and others have them at once.
    pub fn expire(&self, process: u32) {
        for owner in self.of(process) {
            owner.lost.cancel();
            owner.gone.cancel();
        }
    }

    /// Gives every role of a process to others without its knowledge, as if it had been stopped past its lease and continued.
    pub fn pass_over(&self, process: u32) {
        self.of(process).iter().for_each(|owner| owner.gone.cancel());
    }

    /// Has the deadline of every role of a process pass without a word: who asks the clock sees it, as after a stop.
    pub fn lapse(&self, process: u32) {
        self.of(process).iter().for_each(|owner| owner.lapsed.store(true, Ordering::SeqCst));
    }

    fn of(&self, process: u32) -> Vec<Owner> {
        self.owned().owners.values().filter(|owner| owner.process == process).cloned().collect()
    }

    fn owned(&self) -> MutexGuard<'_, Owned> {
        self.0.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, role: &RoleName, process: u32) -> Owner {
        let mut owned = self.owned();
        owned.revision += 1;
        let (lost, gone) = (CancellationToken::new(), CancellationToken::new());
        let owner = Owner { process, revision: owned.revision, lost, lapsed: Arc::default(), gone };
        owned.owners.insert(role.to_string(), owner.clone());
        owner
    }

    fn end(&self, role: &RoleName, revision: u64) {
        let mut owned = self.owned();
        if owned.owners.get(role.as_str()).is_some_and(|owner| owner.revision == revision) {
            owned.owners.remove(role.as_str());
        }
    }
}

/// [`SharedRoles`] as one process sees them.
#[derive(Clone, Debug)]
pub struct SharedScheduler {
    roles: SharedRoles,
    process: u32,
}

impl RoleScheduler for SharedScheduler {
    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    async fn claim(&self, claim: RoleClaim) -> Result<Lease, BackendError> {
        let queue = {
            let mut queues = self.roles.0.queues.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(queues.entry(claim.role.clone()).or_default())
        };
        let turn = queue.lock_owned().await;
        let owner = self.roles.begin(&claim.role, self.process);
        let release = CancellationToken::new();
        let (roles, released, gone) = (self.roles.clone(), release.clone(), owner.gone.clone());
        let revision = owner.revision;
        tokio::spawn(async move {
            tokio::select! {
                () = released.cancelled() => {}
                () = gone.cancelled() => {}
            }
            roles.end(&claim.role, revision);
            drop(turn);
        });
        let (lost, lapsed) = (owner.lost.clone(), owner.lapsed);
        let lease = Lease::new(EpochClaim::At(Epoch::new(revision)), owner.lost, release);
        Ok(lease.checked(move || {
            let has_lapsed = lapsed.load(Ordering::SeqCst);
            if has_lapsed {
                lost.cancel();
            }
            !has_lapsed
        }))
    }
}
