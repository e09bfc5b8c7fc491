//! Which database a namespace belongs to.

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};
use uuid::Uuid;

use crate::error::EtcdError;
use crate::link::{Link, in_time};

/// Binds the namespace to the database, unless it belongs to another.
pub(crate) async fn bind(link: &Link, database: Uuid) -> Result<(), EtcdError> {
    let key = link.keys().database();
    let unbound = Compare::create_revision(key.as_str(), CompareOp::Equal, 0);
    let bind = Txn::new()
        .when([unbound])
        .and_then([TxnOp::put(key.as_str(), database.to_string(), None)])
        .or_else([TxnOp::get(key.as_str(), None)]);
    let mut kv = link.client().await?.kv_client();
    let answer = in_time("bind the namespace", link.config().connect_timeout, kv.txn(bind)).await?;
    let bound = answer.op_responses().into_iter().find_map(|answer| match answer {
        TxnOpResponse::Get(found) => found.kvs().first().map(|pair| pair.value().to_vec()),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    });
    let Some(bound) = bound else { return Ok(()) };
    let bound = String::from_utf8_lossy(&bound).into_owned();
    if bound.parse() == Ok(database) {
        return Ok(());
    }
    Err(EtcdError::ForeignDatabase { namespace: link.config().namespace.to_string(), bound, database, key })
}

/// The database that the namespace belongs to.
pub(crate) async fn bound(link: &Link) -> Result<Option<Uuid>, EtcdError> {
    let mut kv = link.client().await?.kv_client();
    let read = kv.get(link.keys().database(), None);
    let answer = in_time("read whose the namespace is", link.config().connect_timeout, read).await?;
    Ok(answer.kvs().first().and_then(|pair| pair.value_str().ok()?.parse().ok()))
}
