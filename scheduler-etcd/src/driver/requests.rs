//! The requests of the driver: one that reads everything, and one that changes everything that is to change.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use etcd_client::{
    Client, Compare, CompareOp, GetOptions, KeyValue, PutOptions, Txn, TxnOp, TxnOpResponse, WatchOptions,
    WatchStream,
};
use workflow_core::RoleName;

use super::roles::Batch;
use crate::error::EtcdError;
use crate::keys::Keys;
use crate::link::{Link, in_time};
use crate::view::{Entry, Instance, Owner, View, Want};

/// Who asks, and under which lease.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The revision of the first registration, once there was one.
    pub(crate) born: Option<i64>,
    pub(crate) lease: i64,
}

/// What came of a request that changes.
pub(crate) struct Changed {
    pub(crate) revision: i64,
    pub(crate) wants: Option<BTreeSet<Want>>,
    pub(crate) won: Vec<RoleName>,
    pub(crate) not_won: Vec<RoleName>,
    pub(crate) released: Vec<(RoleName, i64)>,
}

/// Everything under the root at one revision, and a watch of what follows if there was none.
pub(crate) struct Snapshot {
    pub(crate) view: View,
    pub(crate) watch: Option<WatchStream>,
}

/// Reads everything under the root. `watched` says whether a watch is running already.
pub(crate) async fn snapshot(link: Link, watched: Watched, limit: Duration) -> Result<Snapshot, EtcdError> {
    let client = link.client().await?;
    let view = read_view(&client, link.keys(), limit).await?;
    let watch = match watched {
        Watched::Already => None,
        Watched::NotYet => {
            let from_next = WatchOptions::new().with_prefix().with_start_revision(view.revision + 1);
            let mut watch = client.watch_client();
            let started = watch.watch(link.keys().root(), Some(from_next));
            Some(in_time("watch the namespace", limit, started).await?)
        }
    };
    Ok(Snapshot { view, watch })
}

/// Whether a watch is running.
pub(crate) enum Watched {
    Already,
    NotYet,
}

/// The picture of a namespace, as etcd has it now.
pub(crate) async fn read_view(client: &Client, keys: &Keys, limit: Duration) -> Result<View, EtcdError> {
    let mut kv = client.kv_client();
    let read = kv.get(keys.root(), Some(GetOptions::new().with_prefix()));
    let answer = in_time("read the namespace", limit, read).await?;
    let mut view = View::at(answer.header().map_or(0, |header| header.revision()));
    for pair in answer.kvs() {
        put(&mut view, keys, pair);
    }
    Ok(view)
}

/// A key that was read or heard of goes into the picture; others of ours are text, so what is none is not ours.
pub(crate) fn put(view: &mut View, keys: &Keys, pair: &KeyValue) {
    if let Ok(key) = pair.key_str() {
        let (create_revision, lease) = (pair.create_revision(), pair.lease());
        view.put(keys, &Entry { key, value: pair.value(), create_revision, lease });
    }
}

/// Publishes what is wanted, releases and claims, all in one transaction. Each claim is a transaction of its own inside it, which
/// nobody else's outcome touches.
pub(crate) async fn change(
    link: Link,
    me: Identity,
    batch: Batch,
    limit: Duration,
) -> Result<Changed, EtcdError> {
    let mut kv = link.client().await?.kv_client();
    let keys = link.keys();
    let mut operations = Vec::new();
    if let Some(wants) = &batch.wants {
        operations.push(registration(keys, &me, wants));
    }
    operations.extend(batch.releases.iter().map(|(want, epoch)| TxnOp::txn(release(keys, want, *epoch))));
    operations.extend(batch.claims.iter().map(|want| TxnOp::txn(claim(keys, &me, want))));
    let answer = in_time("change roles", limit, kv.txn(Txn::new().and_then(operations))).await?;
    let revision = answer.header().map_or(0, |header| header.revision());
    let outcomes = answer.op_responses().into_iter().filter_map(|answer| match answer {
        TxnOpResponse::Txn(inner) => Some(inner.succeeded()),
        TxnOpResponse::Put(_) | TxnOpResponse::Get(_) | TxnOpResponse::Delete(_) => None,
    });
    // A release whose key is no longer ours is done as well.
    let outcomes = outcomes.skip(batch.releases.len());
    let (mut won, mut not_won) = (Vec::new(), Vec::new());
    for (want, succeeded) in batch.claims.iter().zip(outcomes) {
        if succeeded { &mut won } else { &mut not_won }.push(name(want));
    }
    let released = batch.releases.iter().map(|(want, epoch)| (name(want), *epoch)).collect();
    Ok(Changed { revision, wants: batch.wants, won, not_won, released })
}

pub(crate) fn name(want: &Want) -> RoleName {
    RoleName::new(want.role.as_str())
}

fn registration(keys: &Keys, me: &Identity, wants: &BTreeSet<Want>) -> TxnOp {
    let instance = Instance { name: me.name.clone(), born: me.born, wants: wants.clone() };
    TxnOp::put(keys.instance(&me.id), json(&instance), Some(PutOptions::new().with_lease(me.lease)))
}

/// The role is put if nobody has it, and nobody has a role of the group under another shard count. etcd compares a range by
/// comparing every key in it, so that an empty one passes.
fn claim(keys: &Keys, me: &Identity, want: &Want) -> Txn {
    let key = keys.owner(&want.group, want.shards, &name(want));
    let others = keys.other_counts(&want.group, want.shards);
    let mut free = vec![Compare::create_revision(key.as_str(), CompareOp::Equal, 0)];
    free.extend(others.map(|(from, to)| Compare::create_revision(from, CompareOp::Equal, 0).with_range(to)));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let owner = Owner { instance: me.id.clone(), name: me.name.clone(), since_ms };
    Txn::new().when(free).and_then([TxnOp::put(
        key,
        json(&owner),
        Some(PutOptions::new().with_lease(me.lease)),
    )])
}

fn release(keys: &Keys, want: &Want, epoch: i64) -> Txn {
    let key = keys.owner(&want.group, want.shards, &name(want));
    let ours = Compare::create_revision(key.as_str(), CompareOp::Equal, epoch);
    Txn::new().when([ours]).and_then([TxnOp::delete(key, None)])
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text and numbers are always JSON")
}
