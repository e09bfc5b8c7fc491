//! Relays that know nothing of each other, on one database.

use workflow_system_tests::ground::Kind;

use crate::relays::{Relays, ended, signal};
use crate::topic::counts;

const ORDERS: u64 = 2000;

/// A relay without etcd beside those that have it: what both take is published twice, and nothing is lost.
async fn loses_nothing(kind: Kind) {
    let relays = Relays::fresh(kind).await;
    relays.place(ORDERS, 1).await;
    let (sharing, single) = (relays.sharing(&[]), relays.single(&["--once"]));
    assert_eq!(ended(single).await.code(), Some(0), "nothing was left");
    relays.place(ORDERS, 2).await;
    relays.all_gone().await;
    let (_, runs) = counts(relays.topic_of_orders()).await;
    assert_eq!(runs as u64, 2 * ORDERS);
    signal(&sharing, "-TERM");
    assert_eq!(ended(sharing).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_etcd_beside_one_with_it_loses_nothing_on_postgres() {
    loses_nothing(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_etcd_beside_one_with_it_loses_nothing_on_mariadb() {
    loses_nothing(Kind::MariaDb).await;
}

/// Others own all shards and go on owning them: who was asked to publish what is there ends when it is published.
async fn ends_when_others_have_published_all(kind: Kind, first: &[&str], once: &[&str]) {
    let relays = Relays::fresh(kind).await;
    let start = |how: &[&str]| match how.first() {
        Some(&"--single") => relays.single(&how[1..]),
        _ => relays.sharing(how),
    };
    let owner = start(first);
    relays.place(1, 1).await;
    relays.all_gone().await;
    let once = start(once);
    relays.place(ORDERS, 2).await;
    assert_eq!(ended(once).await.code(), Some(0), "all that was there is published");
    relays.all_gone().await;
    assert_eq!(counts(relays.topic_of_orders()).await, (ORDERS as usize + 1, ORDERS as usize + 1));
    signal(&owner, "-TERM");
    assert_eq!(ended(owner).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn once_beside_a_relay_without_etcd_ends_on_postgres() {
    ends_when_others_have_published_all(Kind::Postgres, &["--single"], &["--single", "--once"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_beside_a_relay_without_etcd_ends_on_mariadb() {
    ends_when_others_have_published_all(Kind::MariaDb, &["--single"], &["--single", "--once"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_beside_relays_that_own_all_shards_ends() {
    ends_when_others_have_published_all(Kind::Postgres, &[], &["--once"]).await;
}
