//! What a relay in a process of its own asks of the store: the outbox by shards.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{BackendError, Change, DeadLetter, Effect, Expect, Lease, Store, StoredOutboxRow};
use crate::{RoleName, RunId, Shard};

/// Whether rows that go are all that a relay has read between the first and the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// No other row of the shard was read between them: they may be deleted as a range, if the range proves to be them.
    Whole,
    /// Other rows of the shard stay between them.
    Scattered,
}

/// The ids of rows that a relay has read and not yet deleted. A page leaves them out: under load most of what is in the table
/// is under way, and to read it again and again would cost more than to publish it.
///
/// Clones are the same set.
///
/// ```
/// use workflow_core::adapter::UnderWay;
/// let rows = UnderWay::default();
/// rows.insert("outbox-id-1".into());
/// assert!(rows.contains("outbox-id-1"));
/// rows.remove("outbox-id-1");
/// assert!(!rows.contains("outbox-id-1"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct UnderWay(Arc<Mutex<HashSet<Arc<str>>>>);

impl UnderWay {
    /// The row is under way from now on.
    pub fn insert(&self, id: Arc<str>) {
        self.set().insert(id);
    }

    /// The row is not under way any more.
    pub fn remove(&self, id: &str) {
        self.set().remove(id);
    }

    /// Whether the row is under way.
    pub fn contains(&self, id: &str) -> bool {
        self.set().contains(id)
    }

    fn set(&self) -> std::sync::MutexGuard<'_, HashSet<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows of a shard that are not under way, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct ShardPage {
    /// The rows.
    pub rows: Vec<StoredOutboxRow>,
    /// The last row that was read, under way or not: the next page begins behind it.
    pub last: Option<Arc<str>>,
    /// Whether there may be more after the last one.
    pub more: bool,
}

/// How much waits in a shard of the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxDepth {
    /// How many rows there are, as far as they were counted.
    pub rows: u64,
    /// Whether there may be more than were counted.
    pub more: bool,
    /// For how long the oldest of those that were counted has been waiting.
    pub oldest: Option<Duration>,
}

/// The store as a relay needs it.
///
/// The outbox is divided by the rows' `bucket`, the hash of the run: so one shard has all rows of a run. Rows without a
/// bucket, which are the Go library's, belong to the first shard.
///
/// # Contract
/// 1. *Shards.* Each row is in exactly one shard of any number of shards, and all rows of a run are in one.
/// 2. *Only those named.* `forget` deletes the rows that are named and no other, whatever was stored meanwhile.
/// 3. *Gone is gone.* To `forget` or to set aside what is gone already is no error.
/// 4. *One alone.* While a lease of `claim_alone` is neither dropped nor lost, no other claim has one.
/// 5. *Under way.* A row that was under way before `shard_page` was called, and after it has returned, is not in the page.
/// 6. *Doorbells.* What `announce` has stored is what `doorbells` gives, for each role the last one.
///
/// ```
/// use workflow_core::Shard;
/// use workflow_core::adapter::{BackendError, RelayStore};
/// async fn is_drained(store: &impl RelayStore) -> Result<bool, BackendError> {
///     Ok(store.depth(Shard::WHOLE).await?.rows == 0)
/// }
/// # use std::sync::Arc;
/// # use workflow_core::adapter::SystemClock;
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # let store = workflow_core::memory::MemoryStore::new(Arc::new(SystemClock::new()));
/// assert!(runtime.block_on(is_drained(&store))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait RelayStore: Store {
    /// Reads up to `limit` rows of a shard after an id, in the order of their ids, and gives those that are not under way.
    fn shard_page(
        &self,
        shard: Shard,
        after: Option<&str>,
        limit: usize,
        under_way: &UnderWay,
    ) -> impl Future<Output = Result<ShardPage, BackendError>> + Send;

    /// Deletes rows of a shard by their ids: the broker has acknowledged them.
    fn forget(
        &self,
        shard: Shard,
        ids: Vec<Arc<str>>,
        span: Span,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// How much waits in a shard; it is counted up to a bound.
    fn depth(&self, shard: Shard) -> impl Future<Output = Result<OutboxDepth, BackendError>> + Send;

    /// Claims the whole outbox for a relay that runs without a scheduler; `None` if another one has it.
    fn claim_alone(&self) -> impl Future<Output = Result<Option<Lease>, BackendError>> + Send;

    /// Says where the owner of a role is rung when rows were stored; `None` that it is not any more.
    fn announce(
        &self,
        role: &RoleName,
        doorbell: Option<&str>,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Where relays are rung.
    fn doorbells(&self) -> impl Future<Output = Result<Vec<String>, BackendError>> + Send;

    /// Moves rows to the dead letters, so that the rest go on.
    fn set_aside(&self, letters: Vec<DeadLetter>) -> impl Future<Output = Result<(), BackendError>> + Send {
        let changes = letters.into_iter().map(|letter| {
            let mut change = Change::new(RunId::from_uuid(uuid::Uuid::nil()), Expect::Nothing);
            change.effects.push(Effect::DeleteOutbox(letter.id.to_string()));
            change.effects.push(Effect::PutDeadLetter(letter));
            change
        });
        let changes: Vec<Change> = changes.collect();
        async move { self.commit(changes, Vec::new()).await.map(drop) }
    }
}
