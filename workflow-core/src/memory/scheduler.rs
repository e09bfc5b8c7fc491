//! Roles inside one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::RoleName;
use crate::adapter::{BackendError, EpochClaim, Lease, RoleClaim, RoleScheduler};

/// A scheduler for one process: the first that asks owns the role, the others wait in order.
///
/// ```
/// use workflow_core::memory::InProcessScheduler;
/// let scheduler = InProcessScheduler::new();
/// # let _ = scheduler.clone();
/// ```
#[derive(Clone, Default)]
pub struct InProcessScheduler {
    roles: Arc<Mutex<HashMap<RoleName, Arc<tokio::sync::Mutex<()>>>>>,
}

impl InProcessScheduler {
    /// A scheduler of which nobody owns a role.
    pub fn new() -> Self {
        Self::default()
    }
}

impl RoleScheduler for InProcessScheduler {
    async fn claim(&self, claim: RoleClaim) -> Result<Lease, BackendError> {
        let role = {
            let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(roles.entry(claim.role).or_default())
        };
        let owned = role.lock_owned().await;
        let release = CancellationToken::new();
        let released = release.clone();
        tokio::spawn(async move {
            released.cancelled().await;
            drop(owned);
        });
        Ok(Lease::new(EpochClaim::Next, CancellationToken::new(), release))
    }
}
