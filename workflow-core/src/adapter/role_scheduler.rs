//! Who owns which role.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use super::{BackendError, Reach};
use crate::{Epoch, GroupName, RoleName, Shard};

/// A role that an instance wants: one shard of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleClaim {
    /// The process, whatever its shard.
    pub group: GroupName,
    /// The role.
    pub role: RoleName,
    /// The shard.
    pub shard: Shard,
}

/// How a new owner's epoch is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochClaim {
    /// The scheduler's own number, rising with each owner.
    At(Epoch),
    /// One more than the store has.
    Next,
}

/// An owned role.
///
/// It is given back when it is dropped.
#[derive(Debug)]
pub struct Lease {
    /// How the owner's epoch is found.
    pub epoch: EpochClaim,
    /// Cancelled when the role is lost, or is wanted elsewhere: whoever owns it takes nothing new, ends what is in flight
    /// within seconds, and drops the lease.
    pub lost: CancellationToken,
    release: Option<CancellationToken>,
}

impl Lease {
    /// A lease; `release` is cancelled when the owner gives it back or drops it.
    pub fn new(epoch: EpochClaim, lost: CancellationToken, release: CancellationToken) -> Self {
        Self { epoch, lost, release: Some(release) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            release.cancel();
        }
    }
}

/// Makes sure that, but for pauses and lost connections, one instance owns each role.
///
/// # Contract
/// 1. *One owner.* While a lease is neither dropped nor lost, no other `claim` of that role ends.
/// 2. *Hand-over.* When a lease is dropped, a waiting claim of the role ends.
/// 3. *Cancellation.* Dropping the future of `claim` leaves the role to others.
pub trait RoleScheduler: Send + Sync + 'static {
    /// How far its roles reach: what it says of itself decides whether engines of several processes share a store.
    fn reach(&self) -> Reach {
        Reach::Process
    }

    /// Waits until this instance owns the role.
    fn claim(&self, claim: RoleClaim) -> impl Future<Output = Result<Lease, BackendError>> + Send;
}
