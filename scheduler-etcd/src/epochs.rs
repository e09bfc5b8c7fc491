//! What the epochs of a namespace are counted from.
//!
//! An epoch is the revision at which a role's key was created, added to a number that is kept in etcd beside the roles. An etcd that
//! has lost its data begins with low revisions again; it has lost the number, too, and the first process to come puts a new
//! one there, the time in microseconds. No etcd makes a million revisions a second, so that the new epochs are above all old ones.

use std::time::{SystemTime, UNIX_EPOCH};

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};
use workflow_core::Epoch;

use crate::error::EtcdError;
use crate::link::{Link, in_time};

/// The number, which is made if it is not there.
pub(crate) async fn base(link: &Link) -> Result<u64, EtcdError> {
    let key = link.keys().epochs();
    let missing = Compare::create_revision(key.as_str(), CompareOp::Equal, 0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since.as_micros()).unwrap_or_default();
    let make = Txn::new()
        .when([missing])
        .and_then([TxnOp::put(key.as_str(), now.to_string(), None)])
        .or_else([TxnOp::get(key.as_str(), None)]);
    let mut kv = link.client().await?.kv_client();
    let answer = in_time("read where epochs begin", link.config().connect_timeout, kv.txn(make)).await?;
    if answer.succeeded() {
        return Ok(now);
    }
    let found = answer.op_responses().into_iter().find_map(|answer| match answer {
        TxnOpResponse::Get(found) => found.kvs().first().and_then(|pair| read(pair.value())),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    });
    found.ok_or(EtcdError::EpochsUnreadable { key })
}

/// The number as it is stored.
pub(crate) fn read(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The epoch of the owner whose key was created at a revision.
pub(crate) fn epoch(base: u64, revision: i64) -> Epoch {
    Epoch::new(base.saturating_add(revision.unsigned_abs()))
}
