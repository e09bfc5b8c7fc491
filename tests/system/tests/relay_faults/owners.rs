//! Two relays, two shards: one of them goes.

use std::time::Instant;

use workflow_system_tests::ground::Kind;
use workflow_system_tests::patience::until;

use crate::relays::{LEASE_SECONDS, Relays, ended, rows, signal};
use crate::topic::counts;

const ORDERS: u64 = 4000;

/// The shard of the one that is killed has rows under way, which are published by the other one.
async fn a_killed_relay_loses_nothing(kind: Kind) {
    let relays = Relays::fresh(kind).await;
    let (lost, kept) = relays.pair().await;
    relays.place(ORDERS, 1).await;
    let mut session = relays.ground.session().await;
    until("rows are under way", async || rows(&mut session).await < ORDERS as i64).await;
    signal(&lost, "-KILL");
    let killed = Instant::now();
    relays.are_all_of(&kept).await;
    let seconds = killed.elapsed().as_secs_f64();
    println!("{kind:?}: the shard was taken over after {seconds:.1} s, with a lease of {LEASE_SECONDS} s");
    relays.place(ORDERS / 10, 2).await;
    relays.all_gone().await;
    let (messages, runs) = counts(relays.topic_of_orders()).await;
    assert_eq!(runs as u64, ORDERS + ORDERS / 10);
    println!("{kind:?}: {} messages were published again", messages - runs);
    signal(&kept, "-TERM");
    assert_eq!(ended(kept).await.code(), Some(0));
    drop(lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shard_of_a_killed_relay_is_taken_over_on_postgres() {
    a_killed_relay_loses_nothing(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shard_of_a_killed_relay_is_taken_over_on_mariadb() {
    a_killed_relay_loses_nothing(Kind::MariaDb).await;
}

/// A relay that is asked to end under load ends what is under way: so nothing is published by both.
async fn a_relay_that_ends_leaves_nothing_to_do_again(kind: Kind) {
    let relays = Relays::fresh(kind).await;
    let (leaving, kept) = relays.pair().await;
    relays.place(ORDERS, 1).await;
    let mut session = relays.ground.session().await;
    until("rows are under way", async || rows(&mut session).await < ORDERS as i64).await;
    signal(&leaving, "-TERM");
    assert_eq!(ended(leaving).await.code(), Some(0), "it has drained within its time");
    relays.are_all_of(&kept).await;
    relays.all_gone().await;
    assert_eq!(counts(relays.topic_of_orders()).await, (ORDERS as usize, ORDERS as usize), "once each");
    signal(&kept, "-TERM");
    assert_eq!(ended(kept).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_ends_under_load_publishes_nothing_twice_on_postgres() {
    a_relay_that_ends_leaves_nothing_to_do_again(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_ends_under_load_publishes_nothing_twice_on_mariadb() {
    a_relay_that_ends_leaves_nothing_to_do_again(Kind::MariaDb).await;
}
