//! The outbox in memory, as a relay sees it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::MemoryStore;
use crate::adapter::{
    BackendError, EpochClaim, Lease, OutboxDepth, RelayStore, ShardPage, Span, Store, UnderWay,
};
use crate::{EventId, RoleName, Shard};

impl RelayStore for MemoryStore {
    async fn shard_page(
        &self,
        shard: Shard,
        after: Option<&str>,
        limit: usize,
        under_way: &UnderWay,
    ) -> Result<ShardPage, BackendError> {
        let page = self.state().outbox_page(shard, after.and_then(|id| id.parse().ok()), limit);
        let last = page.rows.last().map(|row| Arc::clone(&row.id));
        let rows = page.rows.into_iter().filter(|row| !under_way.contains(&row.id)).collect();
        Ok(ShardPage { rows, last, more: page.more })
    }

    async fn forget(&self, _shard: Shard, ids: Vec<Arc<str>>, _span: Span) -> Result<(), BackendError> {
        let mut state = self.state();
        ids.iter().filter_map(|id| id.parse::<EventId>().ok()).for_each(|id| state.delete_outbox(id));
        Ok(())
    }

    async fn depth(&self, shard: Shard) -> Result<OutboxDepth, BackendError> {
        let page = self.state().outbox_page(shard, None, usize::MAX);
        let oldest = page.rows.iter().map(|row| row.created_at).min();
        let oldest = oldest.map(|oldest| self.clock().now().since(oldest));
        Ok(OutboxDepth { rows: page.rows.len() as u64, more: false, oldest })
    }

    async fn claim_alone(&self) -> Result<Option<Lease>, BackendError> {
        let Ok(alone) = self.alone().try_lock_owned() else { return Ok(None) };
        let release = CancellationToken::new();
        let released = release.clone();
        tokio::spawn(async move {
            released.cancelled().await;
            drop(alone);
        });
        Ok(Some(Lease::new(EpochClaim::Next, CancellationToken::new(), release)))
    }

    async fn announce(&self, role: &RoleName, doorbell: Option<&str>) -> Result<(), BackendError> {
        let mut state = self.state();
        match doorbell {
            Some(doorbell) => state.doorbells.insert(role.as_str().into(), doorbell.to_owned()),
            None => state.doorbells.remove(role.as_str()),
        };
        Ok(())
    }

    async fn doorbells(&self) -> Result<Vec<String>, BackendError> {
        Ok(self.state().doorbells.values().cloned().collect())
    }
}
