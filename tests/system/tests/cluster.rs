//! Goal: orders come to their ends on the full stack, each transition once, whatever happens to the workers. Method: workers in
//! processes of their own share orders through Kafka and etcd; one is killed and one is added in the middle.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::process::Stdio;
use std::time::Duration;

use clap::Parser;
use order_processor::args::Args;
use order_processor::input::Input;
use order_processor::{generate, process};
use outbox_relay::{Relay, RelayMetrics};
use scheduler_etcd::{EtcdConfig, EtcdObserver, EtcdScheduler};
use store_sql::Database;
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use tokio::process::{Child, Command};
use tokio_util::sync::{CancellationToken, DropGuard};
use workflow::adapter::{Backend, ListQuery, Namespaced};
use workflow::memory::Memory;
use workflow::{Namespace, RunState};
use workflow_system_tests::ground::{Ground, Kind};

const ORDERS: u64 = 200;

/// How many roles the workflow of the orders has.
const ROLES: usize = 11;

/// How long all orders may take: the machine may do a lot besides.
const PATIENCE: Duration = Duration::from_secs(300);

/// What every process of one cluster is told.
struct Cluster {
    ground: Ground,
    namespace: Namespace,
    kafka: String,
    etcd: String,
}

/// A server that `cargo xtask services up` starts.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("no server: `cargo xtask services up`, then set {variable} as `cargo xtask services env` prints it")
    })
}

impl Cluster {
    async fn fresh(kind: Kind) -> Self {
        Self {
            ground: Ground::fresh(kind).await,
            namespace: Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap(),
            kafka: server("WORKFLOW_KAFKA_BROKERS"),
            etcd: server("WORKFLOW_ETCD_ENDPOINTS"),
        }
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-orders"));
        command
            .env("WORKFLOW_DATABASE_URL", self.ground.url())
            .env("WORKFLOW_KAFKA_BROKERS", &self.kafka)
            .env("WORKFLOW_KAFKA_PARTITIONS", "4")
            .env("WORKFLOW_ETCD_ENDPOINTS", &self.etcd)
            .env("WORKFLOW_NAMESPACE", self.namespace.to_string())
            .env("WORKFLOW_INSTANCE_NAME", name)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        command
    }

    fn worker(&self, name: &str) -> Child {
        self.program(name).arg("worker").stdout(Stdio::null()).spawn().unwrap()
    }

    /// Waits until a worker that is dead owns no role, and the workers that live own all of them.
    async fn is_rid_of(&self, worker: &str) {
        let etcd = EtcdConfig::new(self.etcd.split(',')).namespace(self.namespace.clone());
        let etcd = EtcdObserver::connect(etcd).await.unwrap();
        let rid = async {
            loop {
                let owners = etcd.roles().await.unwrap();
                let of_orders = owners.iter().filter(|owned| owned.role.as_str().starts_with("orders-"));
                if owners.iter().all(|owned| owned.instance_name != worker) && of_orders.count() >= ROLES {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, rid).await.expect("roles of a dead worker expire");
    }

    /// A relay, until it is dropped.
    async fn relay(&self, database: &Database) -> DropGuard {
        let kafka = KafkaConfig::new([self.kafka.as_str()]).create_topics(true).partitions(4);
        let streamer = Namespaced::new(KafkaStreamer::new(kafka).unwrap(), self.namespace.clone());
        let etcd = EtcdConfig::new(self.etcd.split(',')).namespace(self.namespace.clone());
        let scheduler = EtcdScheduler::connect(etcd).await.unwrap();
        let (stop, shards) = (CancellationToken::new(), NonZeroU32::new(2).unwrap());
        let stopped = stop.clone();
        match database {
            Database::Postgres(postgres) => {
                let relay = Relay::new(postgres.store().clone(), streamer, scheduler, RelayMetrics::new());
                tokio::spawn(relay.shards(shards).run(stopped));
            }
            Database::MySql(mysql) => {
                let relay = Relay::new(mysql.store().clone(), streamer, scheduler, RelayMetrics::new());
                tokio::spawn(relay.shards(shards).run(stopped));
            }
            other => panic!("{other:?} is no server"),
        }
        stop.drop_guard()
    }
}

/// What becomes of the same orders in one process.
async fn embedded() -> (BTreeMap<&'static str, u64>, u64) {
    let input = Input::of_lines(generate::lines(ORDERS, 1).unwrap());
    let args = Args::parse_from(["order-processor", "--json"]);
    let report = process::run(&args, Memory::new(), input).await.unwrap();
    (report.by_status.clone(), report.unfinished())
}

/// Waits until so many orders have come to an end.
async fn ended(database: &Database, orders: usize) {
    let store = Backend::from(database);
    let query = ListQuery { run_states: vec![RunState::Completed], limit: orders, ..ListQuery::default() };
    let wait = async {
        while store.store().list(&query).await.unwrap().records.len() < orders {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("orders come to their ends");
}

async fn survive_the_loss_of_a_worker(kind: Kind) {
    let cluster = Cluster::fresh(kind).await;
    let database = cluster.ground.database().await;
    let _relays = [cluster.relay(&database).await, cluster.relay(&database).await];
    let lost = cluster.worker("worker-1");
    let mut workers = vec![cluster.worker("worker-2"), cluster.worker("worker-3")];
    let mut shop = cluster.program("shop");
    let shop = shop.arg("orders").args(["--count", &ORDERS.to_string(), "--json"]).stdout(Stdio::piped());
    let shop = shop.spawn().unwrap();
    ended(&database, 20).await;
    let mut lost = lost;
    lost.kill().await.unwrap();
    workers.push(cluster.worker("worker-4"));
    let said =
        tokio::time::timeout(PATIENCE, shop.wait_with_output()).await.expect("the orders end").unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let (by_status, unfinished) = embedded().await;
    assert_eq!(said["by_status"], serde_json::to_value(by_status).unwrap(), "{said}");
    assert_eq!(said["unfinished"], unfinished, "only those that are paused: {said}");
    assert_eq!((&said["audit"]["orders"], &said["audit"]["broken"]), (&ORDERS.into(), &0.into()), "{said}");
    assert!(said["roles"].as_object().unwrap().len() >= ROLES, "every role is named: {said}");
    cluster.is_rid_of("worker-1").await;
    for worker in &mut workers {
        terminate(worker).await;
    }
}

/// Ends a worker as an orchestrator does; it says that nothing was left in flight.
async fn terminate(worker: &mut Child) {
    let pid = worker.id().unwrap();
    let sent = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await.unwrap();
    assert!(sent.success());
    let status = tokio::time::timeout(PATIENCE, worker.wait()).await.expect("a worker ends").unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_survive_the_loss_of_a_worker_on_postgres() {
    survive_the_loss_of_a_worker(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_survive_the_loss_of_a_worker_on_mariadb() {
    survive_the_loss_of_a_worker(Kind::MariaDb).await;
}
