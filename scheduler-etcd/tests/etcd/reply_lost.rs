//! Requests that etcd has carried out, and whose answers were lost: no role is leaked, and none is owned twice.

use std::time::Duration;

use scheduler_etcd::EtcdConfig;
use workflow_core::adapter::RoleScheduler;

use crate::proxy::Proxy;
use crate::support::{
    Onlooker, connect, endpoints, epoch_of, eventually, fresh, fresh_namespace, role, soon,
};

/// One namespace by two ways: by a proxy that loses answers, and without.
async fn two_ways() -> (Proxy, EtcdConfig, EtcdConfig) {
    let proxy = Proxy::before(&endpoints()[0]).await;
    let namespace = fresh_namespace();
    // The lease is long: what is leaked stays.
    let direct = fresh().namespace(namespace.clone()).lease_time(Duration::from_secs(120));
    let by_proxy = EtcdConfig::new([proxy.endpoint()])
        .namespace(namespace)
        .hold_min(Duration::ZERO)
        .lease_time(Duration::from_secs(120));
    (proxy, by_proxy, direct)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_is_found() {
    let (proxy, by_proxy, direct) = two_ways().await;
    let (scheduler, looking) = (connect(&by_proxy).await, Onlooker::new(&direct).await);
    let kept = scheduler.claim(role(1)).await.unwrap();
    proxy.lose_answers();
    let claim = tokio::spawn({
        let scheduler = scheduler.clone();
        async move { scheduler.claim(role(2)).await.unwrap() }
    });
    eventually("etcd has the claim", async || looking.roles().await.len() == 2).await;
    assert!(!claim.is_finished());
    proxy.cut();
    let lease = soon("the role is owned", claim).await.unwrap();
    let epochs: Vec<u64> = looking.roles().await.iter().map(|owned| owned.epoch.get()).collect();
    assert_eq!(epochs, [epoch_of(&kept), epoch_of(&lease)], "under the epoch of the answer that was lost");
    assert!(kept.is_held() && lease.is_held());
    // It is given back as any other.
    drop(lease);
    let other = connect(&direct).await;
    soon("another has it", other.claim(role(2))).await.unwrap();
}

/// Who claimed has gone before it is known that the claim has succeeded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_and_that_nobody_waits_for_is_given_back() {
    let (proxy, by_proxy, direct) = two_ways().await;
    let (scheduler, looking) = (connect(&by_proxy).await, Onlooker::new(&direct).await);
    let kept = scheduler.claim(role(1)).await.unwrap();
    proxy.lose_answers();
    let claim = tokio::spawn({
        let scheduler = scheduler.clone();
        async move { scheduler.claim(role(2)).await.map(drop) }
    });
    eventually("etcd has the claim", async || looking.roles().await.len() == 2).await;
    claim.abort();
    assert!(claim.await.unwrap_err().is_cancelled());
    proxy.cut();
    eventually("the role is free", async || looking.roles().await.len() == 1).await;
    let other = connect(&direct).await;
    soon("another has it", other.claim(role(2))).await.unwrap();
    assert!(kept.is_held());
}

/// The role has its next owner before the first one knows that it has given it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_whose_answer_is_lost_takes_nothing_from_the_next_owner() {
    let (proxy, by_proxy, direct) = two_ways().await;
    let (scheduler, looking) = (connect(&by_proxy).await, Onlooker::new(&direct).await);
    let lease = scheduler.claim(role(1)).await.unwrap();
    let first = epoch_of(&lease);
    proxy.lose_answers();
    drop(lease);
    eventually("etcd has the release", async || looking.roles().await.is_empty()).await;
    let other = connect(&direct).await;
    let next = soon("another has it", other.claim(role(1))).await.unwrap();
    assert!(epoch_of(&next) > first);
    let again = tokio::spawn({
        let scheduler = scheduler.clone();
        async move { scheduler.claim(role(1)).await.unwrap() }
    });
    proxy.cut();
    // A role of its own shows that the first one is back.
    let back = soon("it is back", scheduler.claim(role(2))).await.unwrap();
    assert!(back.is_held());
    let owner = looking.roles().await.into_iter().find(|owned| owned.role == role(1).role).unwrap();
    assert_eq!(owner.epoch.get(), epoch_of(&next), "the next owner has lost nothing");
    assert!(!again.is_finished(), "the role is owned twice");
    drop(next);
    let again = soon("it is its turn", again).await.unwrap();
    assert!(again.is_held());
}
