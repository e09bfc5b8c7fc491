//! A worker that stands still for longer than its lease, and goes on as if nothing had been.

use tokio::task::block_in_place;
use workflow_system_tests::patience::until;

use crate::databases::{Kind, Spec};
use crate::stack::{Stack, server, signal, terminate};
use crate::writes::Writes;

const ORDERS: u64 = 60;

/// Steps of the orders, by the status that they take an order from.
const STEPS: [i32; 4] = [1, 2, 3, 5];

/// The records are locked by the test, so that the first worker has steps done that it can store neither before it is stopped
/// nor while it is; the lock goes in the moment in which it goes on.
async fn stores_nothing_under_a_lost_role(kind: Kind) {
    let server_of_test = block_in_place(|| Spec::new(kind).start());
    let url = server_of_test.url();
    let mut writes = Writes::note(url.clone()).await;
    let stack = Stack::on(url.clone(), server("WORKFLOW_ETCD_ENDPOINTS"));
    let first = stack.worker_as("first", &writes.url_for("first").await);
    let old = stack.all_owned_by("first").await;
    let shop = stack.shop(ORDERS, 1);
    until("the orders are placed", async || writes.runs().await == ORDERS as i64).await;
    let lock = writes.lock_records().await;
    let relay = stack.relay();
    writes.has_met_the_lock("first").await;
    signal(&first, "-STOP");
    let second = stack.worker_as("second", &writes.url_for("second").await);
    let new = stack.all_owned_by("second").await;
    for step in STEPS {
        let role = format!("orders-{step}-consumer-1-of-1");
        assert!(new[&role] > old[&role], "{new:?} {old:?}");
        until("the database knows the take-over", async || writes.epoch(&role).await == new[&role]).await;
    }
    signal(&first, "-CONT");
    lock.let_go().await;
    shop.all_ended_once().await;
    let moved = writes.steps_of("second", 1, ..).await + writes.steps_of("first", 1, ..).await;
    assert_eq!(moved, ORDERS as i64, "each order left its first status once");
    for step in STEPS {
        let role = format!("orders-{step}-consumer-1-of-1");
        let stale = writes.steps_of("first", step, ..=new[&role]).await;
        assert_eq!(stale, 0, "step {step} was stored without the role");
    }
    // It takes part again; which roles it gets beside the other one is for the placement to say, alone it has all of them.
    stack.takes_part("first").await;
    terminate(second).await;
    stack.shop(ORDERS, 2).all_ended_once().await;
    for step in STEPS {
        assert!(writes.steps_of("first", step, ..).await > 0, "the first worker stores step {step} again");
    }
    for process in [first, relay] {
        terminate(process).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_stores_nothing_that_it_had_in_hand_on_postgres() {
    stores_nothing_under_a_lost_role(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_stores_nothing_that_it_had_in_hand_on_mariadb() {
    stores_nothing_under_a_lost_role(Kind::MariaDb).await;
}
