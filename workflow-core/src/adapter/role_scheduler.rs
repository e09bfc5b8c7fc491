//! Who owns which role.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

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
    check: Check,
}

/// What a scheduler says if it is asked whether a role is still owned.
#[derive(Clone, Default)]
struct Check(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Check" } else { "None" })
    }
}

/// Whether a role is still owned, for those who work under it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    lost: CancellationToken,
    check: Check,
}

impl Held {
    pub(crate) fn is_held(&self) -> bool {
        !self.lost.is_cancelled() && self.check.0.as_ref().is_none_or(|check| check())
    }
}

impl Lease {
    /// A lease; `release` is cancelled when the owner gives it back or drops it.
    pub fn new(epoch: EpochClaim, lost: CancellationToken, release: CancellationToken) -> Self {
        Self { epoch, lost, release: Some(release), check: Check::default() }
    }

    /// The lease with a look at the clock, which costs next to nothing and which the engine takes before it begins anything new.
    ///
    /// A process that was stopped goes on in the middle: whoever watches over its deadline may be the last to run again. The
    /// check sees for itself that the deadline has passed, says so, and cancels `lost`.
    ///
    /// ```
    /// use tokio_util::sync::CancellationToken;
    /// use workflow_core::adapter::{EpochClaim, Lease};
    /// let (lost, release) = (CancellationToken::new(), CancellationToken::new());
    /// let lease = Lease::new(EpochClaim::Next, lost, release).checked(|| false);
    /// assert!(!lease.is_held());
    /// ```
    pub fn checked(mut self, check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.check = Check(Some(Arc::new(check)));
        self
    }

    /// Whether the role is still owned, as far as this process can know now.
    pub fn is_held(&self) -> bool {
        self.held().is_held()
    }

    pub(crate) fn held(&self) -> Held {
        Held { lost: self.lost.clone(), check: self.check.clone() }
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
