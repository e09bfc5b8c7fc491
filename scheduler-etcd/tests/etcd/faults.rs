//! An etcd that goes away and comes back.

use std::time::Duration;

use etcd_client::{Client, GetOptions};
use scheduler_etcd::{EtcdConfig, EtcdError, EtcdScheduler};
use workflow_core::adapter::RoleScheduler;

use crate::server::{Server, free_port};
use crate::support::{Onlooker, connect, epoch_of, eventually, fresh, fresh_namespace, quick, role, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_etcd_costs_no_role() {
    let mut server = Server::start().await;
    let config = quick([server.endpoint()]).lease_time(Duration::from_secs(60));
    let (one, other) = (connect(&config).await, connect(&config).await);
    let lease = one.claim(role(1)).await.unwrap();
    server.go_away();
    server.come_back().await;
    // What was a stream before the restart works after it: a claim, and a hand-over.
    let second = soon("a role is claimed", other.claim(role(2))).await.unwrap();
    assert!(!lease.lost.is_cancelled() && !second.lost.is_cancelled());
    let epoch = epoch_of(&lease);
    drop(lease);
    let next = soon("the role is handed over", other.claim(role(1))).await.unwrap();
    assert!(epoch_of(&next) > epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_away_for_longer_than_the_lease_costs_all_roles_and_they_come_back() {
    let mut server = Server::start().await;
    let config = quick([server.endpoint()]).lease_time(Duration::from_secs(2));
    let one = connect(&config).await;
    let lease = one.claim(role(1)).await.unwrap();
    let epoch = epoch_of(&lease);
    server.go_away();
    soon("the roles are lost at the deadline", lease.lost.cancelled()).await;
    assert!(!one.is_held());
    drop(lease);
    let again = one.claim(role(1));
    server.come_back().await;
    let again = soon("the role is owned again", again).await.unwrap();
    assert!(epoch_of(&again) > epoch && !again.lost.is_cancelled() && one.is_held());
}

/// Epochs that a store has seen would fence all later owners off, if they were lower.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_has_lost_everything_gives_higher_epochs() {
    let mut server = Server::start().await;
    let config = quick([server.endpoint()]).lease_time(Duration::from_secs(2));
    let one = connect(&config).await;
    let mut before = 0;
    for number in 1..=20 {
        before = epoch_of(&one.claim(role(number)).await.unwrap());
    }
    let lease = one.claim(role(30)).await.unwrap();
    server.go_away();
    server.forget();
    server.come_back().await;
    soon("the roles are lost with their lease", lease.lost.cancelled()).await;
    drop(lease);
    let again = soon("the role is owned again", one.claim(role(30))).await.unwrap();
    assert!(epoch_of(&again) > before, "{} {before}", epoch_of(&again));
    // Whoever comes next counts from the same number.
    let other = connect(&config).await;
    assert!(epoch_of(&soon("another role", other.claim(role(31))).await.unwrap()) > epoch_of(&again));
    let seen = Onlooker::new(&config).await.roles().await;
    assert!(seen.iter().any(|owned| owned.epoch.get() == epoch_of(&again)), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_endpoint_beside_a_live_one_is_nothing() {
    let server = Server::start().await;
    let dead = format!("http://127.0.0.1:{}", free_port());
    let config = quick([dead, server.endpoint()]);
    for _ in 0..8 {
        let scheduler = connect(&config).await;
        let lease = soon("a role is claimed", scheduler.claim(role(1))).await.unwrap();
        drop(lease);
        scheduler.close().await;
    }
}

#[tokio::test]
async fn endpoints_that_do_not_answer_are_named() {
    let dead = [free_port(), free_port()].map(|port| format!("http://127.0.0.1:{port}"));
    let config = EtcdConfig::new(dead.clone()).connect_timeout(Duration::from_secs(2));
    let error = EtcdScheduler::connect(config).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, EtcdError::Unreachable { .. }), "{text}");
    assert!(dead.iter().all(|endpoint| text.contains(endpoint)) && text.contains("refused"), "{text}");
    let mistakes =
        EtcdScheduler::connect(EtcdConfig::new(["etcd", "http://"])).await.unwrap_err().to_string();
    assert!(mistakes.contains("endpoints[0]") && mistakes.contains("endpoints[1]"), "{mistakes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_whose_key_is_deleted_loses_the_role_alone() {
    let namespace = fresh_namespace();
    let config = fresh().namespace(namespace.clone());
    let scheduler = connect(&config).await;
    let lease = scheduler.claim(role(1)).await.unwrap();
    let kept = scheduler.claim(role(2)).await.unwrap();
    let mut client = Client::connect(crate::support::endpoints(), None).await.unwrap();
    let looking = Onlooker::new(&config).await;
    let keys = client
        .get(namespace.to_string(), Some(GetOptions::new().with_prefix().with_keys_only()))
        .await
        .unwrap();
    let name = role(1).role.as_str().to_owned();
    let key = keys.kvs().iter().find(|pair| pair.key_str().unwrap().ends_with(&name));
    client.delete(key.unwrap().key(), None).await.unwrap();
    soon("the loss is told", lease.lost.cancelled()).await;
    let again = soon("the role is claimed again", scheduler.claim(role(1))).await.unwrap();
    assert!(epoch_of(&again) > epoch_of(&lease) && !kept.lost.is_cancelled());
    // The old lease takes nothing of the new one's along.
    drop(lease);
    eventually("both roles are owned", async || looking.roles().await.len() == 2).await;
    assert!(!again.lost.is_cancelled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_scheduler_gives_its_roles_back_and_claims_nothing() {
    let config = fresh();
    let (one, other) = (connect(&config).await, connect(&config).await);
    let lease = one.claim(role(1)).await.unwrap();
    one.close().await;
    assert!(lease.lost.is_cancelled() && !one.is_held());
    soon("the role is free", other.claim(role(1))).await.unwrap();
    assert!(one.claim(role(1)).await.is_err());
    // The last handle that goes ends the session as well.
    let third = connect(&config).await;
    let lease = third.claim(role(2)).await.unwrap();
    drop(third);
    soon("the role is free", other.claim(role(2))).await.unwrap();
    assert!(lease.lost.is_cancelled());
}
