//! A relay without a scheduler: one at a time has the whole outbox, by a lock of the database.

use std::time::Duration;

use workflow_core::adapter::{BackendError, Lease, RelayStore, RoleClaim, RoleScheduler};

/// How often the lock is tried while another relay has it.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Owns the role of the only shard while it has the store's lock; use it with one shard.
///
/// ```
/// use std::sync::Arc;
/// use outbox_relay::{Alone, Relay, RelayMetrics};
/// use workflow_core::adapter::SystemClock;
/// use workflow_core::memory::{InProcessStreamer, MemoryStore};
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// let relay = Relay::new(store.clone(), InProcessStreamer::new(), Alone::on(store), RelayMetrics::new());
/// # let _ = relay;
/// ```
pub struct Alone<S>(S);

impl<S: RelayStore> Alone<S> {
    /// By the lock of this store.
    pub fn on(store: S) -> Self {
        Self(store)
    }
}

impl<S: RelayStore> RoleScheduler for Alone<S> {
    async fn claim(&self, claim: RoleClaim) -> Result<Lease, BackendError> {
        let mut was_told = false;
        loop {
            if let Some(lease) = self.0.claim_alone().await? {
                return Ok(lease);
            }
            if !std::mem::replace(&mut was_told, true) {
                tracing::info!(role = %claim.role, "another relay has the outbox; waiting for it to end");
            }
            self.0.clock().sleep(TRY_EVERY).await;
        }
    }
}
