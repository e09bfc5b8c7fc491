//! An etcd that is restarted, stays away, or loses everything, under workers and relays that are at work.

use workflow_system_tests::ground::{Ground, Kind, Session};
use workflow_system_tests::patience::until;

use crate::server::Server;
use crate::stack::{ROLES, Stack, Worker, terminate};

const ORDERS: u64 = 300;

/// Two workers and two relays on an etcd of the test's own.
struct Place {
    etcd: Server,
    stack: Stack,
    workers: [Worker; 2],
    relays: [tokio::process::Child; 2],
    tables: Session,
    _ground: Ground,
}

impl Place {
    async fn fresh(kind: Kind) -> Self {
        let (etcd, ground) = (Server::start().await, Ground::fresh(kind).await);
        // It makes the tables.
        ground.database().await;
        let stack = Stack::on(ground.url().to_owned(), etcd.endpoint());
        let workers = [stack.worker("first"), stack.worker("second")];
        let relays = [stack.relay(), stack.relay()];
        let place = Self { etcd, stack, workers, relays, tables: ground.session().await, _ground: ground };
        until("all roles are owned", async || place.stack.roles().await.len() == ROLES).await;
        place
    }

    /// Waits until so many orders are at least so far.
    async fn orders_at(&mut self, status: i32, orders: i64) {
        let sql = format!("select count(*) from workflow_records where status >= {status}");
        until("orders have got so far", async || self.tables.number(&sql).await.unwrap() >= orders).await;
    }

    /// Waits until the database knows the present owner of every role; gives the lowest epoch.
    async fn lowest_epoch(&mut self) -> i64 {
        let (stack, tables) = (&self.stack, &mut self.tables);
        let mut lowest = 0;
        until("every owner is known to the database", async || {
            let owned = stack.roles().await;
            let known = "select count(*) from workflow_roles where role like 'orders-%' and epoch >= ";
            lowest = owned.iter().map(|owned| owned.epoch.get()).min().unwrap_or_default() as i64;
            owned.len() == ROLES && tables.number(&format!("{known}{lowest}")).await.unwrap() == ROLES as i64
        })
        .await;
        lowest
    }

    async fn end(self) {
        for worker in self.workers {
            terminate(worker.child).await;
        }
        for relay in self.relays {
            terminate(relay).await;
        }
    }
}

async fn restarted_under_load(kind: Kind) {
    let mut place = Place::fresh(kind).await;
    let shop = place.stack.shop(ORDERS, 1);
    place.orders_at(6, 20).await;
    place.etcd.go_away();
    place.etcd.come_back().await;
    shop.all_ended_once().await;
    place.lowest_epoch().await;
    place.stack.shop(ORDERS / 10, 2).all_ended_once().await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_once_while_etcd_is_restarted_on_postgres() {
    restarted_under_load(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_once_while_etcd_is_restarted_on_mariadb() {
    restarted_under_load(Kind::MariaDb).await;
}

/// Without etcd nobody works, and whoever places orders does not notice.
async fn away_for_longer_than_the_lease(kind: Kind) {
    let mut place = Place::fresh(kind).await;
    place.stack.shop(ORDERS / 10, 1).all_ended_once().await;
    place.etcd.go_away();
    for worker in &place.workers {
        worker.says("all roles are given up").await;
    }
    let shop = place.stack.shop(ORDERS, 2);
    let placed = (ORDERS + ORDERS / 10) as i64;
    place.orders_at(1, placed).await;
    let moved = "select count(*) from workflow_records where foreign_id like 'order-2-%' and status > 1";
    assert_eq!(place.tables.number(moved).await.unwrap(), 0, "nobody has a role");
    place.etcd.come_back().await;
    shop.all_ended_once().await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_wait_for_an_etcd_that_is_away_on_postgres() {
    away_for_longer_than_the_lease(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_wait_for_an_etcd_that_is_away_on_mariadb() {
    away_for_longer_than_the_lease(Kind::MariaDb).await;
}

/// An etcd that is empty counts from one again, and the database has seen higher epochs.
async fn loses_everything(kind: Kind) {
    let mut place = Place::fresh(kind).await;
    let shop = place.stack.shop(ORDERS, 1);
    place.orders_at(6, 20).await;
    let before = place.lowest_epoch().await;
    let highest = "select max(epoch) from workflow_roles";
    let highest = place.tables.number(highest).await.unwrap();
    place.etcd.go_away();
    place.etcd.forget();
    place.etcd.come_back().await;
    shop.all_ended_once().await;
    let after = place.lowest_epoch().await;
    assert!(after > highest && highest >= before, "epochs rise: {before} {highest} {after}");
    place.stack.shop(ORDERS / 10, 2).all_ended_once().await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_once_although_etcd_loses_everything_on_postgres() {
    loses_everything(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_once_although_etcd_loses_everything_on_mariadb() {
    loses_everything(Kind::MariaDb).await;
}
