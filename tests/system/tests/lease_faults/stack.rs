//! Workers, relays and a shop in processes of their own, on one database, Kafka and etcd.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use scheduler_etcd::{EtcdConfig, EtcdObserver, OwnedRole};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use workflow::Namespace;
use workflow_system_tests::patience::{patiently, until};

/// How many roles the workflow of the orders has.
pub(crate) const ROLES: usize = 11;

/// For how many seconds the roles of a process that is silent stay its own.
pub(crate) const LEASE_SECONDS: u64 = 3;

/// What every process of one stack is told.
pub(crate) struct Stack {
    database: String,
    etcd: String,
    namespace: Namespace,
    kafka: String,
    folder: TempDir,
}

/// A process that works on the orders, and what it says.
pub(crate) struct Worker {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Worker {
    /// Waits until it has said something.
    pub(crate) async fn says(&self, what: &str) {
        until(what, async || std::fs::read_to_string(&self.log).unwrap().contains(what)).await;
    }
}

/// A server that `cargo xtask services up` starts.
pub(crate) fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("no server: `cargo xtask services up`, then set {variable} as `cargo xtask services env` prints it")
    })
}

impl Stack {
    /// On a database and an etcd that the test brings.
    pub(crate) fn on(database: String, etcd: String) -> Self {
        Self {
            database,
            etcd,
            namespace: Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap(),
            kafka: server("WORKFLOW_KAFKA_BROKERS"),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn program(&self, path: &str) -> Command {
        let mut command = Command::new(path);
        command
            .env("WORKFLOW_DATABASE_URL", &self.database)
            .env("WORKFLOW_KAFKA_BROKERS", &self.kafka)
            .env("WORKFLOW_ETCD_ENDPOINTS", &self.etcd)
            .env("WORKFLOW_NAMESPACE", self.namespace.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn orders(&self) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_cluster-orders"));
        command
            .env("WORKFLOW_KAFKA_PARTITIONS", "4")
            .env("WORKFLOW_ETCD_LEASE_SECONDS", LEASE_SECONDS.to_string());
        command
    }

    /// A worker that is called `name`, as a user of the database's own.
    pub(crate) fn worker_as(&self, name: &str, database: &str) -> Child {
        let mut command = self.orders();
        command.env("WORKFLOW_INSTANCE_NAME", name).env("WORKFLOW_DATABASE_URL", database);
        command.arg("worker").spawn().unwrap()
    }

    /// A worker that is called `name`.
    pub(crate) fn worker(&self, name: &str) -> Worker {
        let log = self.folder.path().join(name);
        let file = std::fs::File::create(&log).unwrap();
        let mut command = self.orders();
        command.env("WORKFLOW_INSTANCE_NAME", name).env("RUST_LOG", "warn").stderr(file);
        Worker { child: command.arg("worker").spawn().unwrap(), log }
    }

    /// A relay that shares two shards with others.
    pub(crate) fn relay(&self) -> Child {
        let config = self.folder.path().join("relay.toml");
        let text = format!(
            "shards = 2\n[kafka]\nbrokers = \"{}\"\ncreate_topics = true\npartitions = 4\n\
             [etcd]\nendpoints = [\"{}\"]\nlease_seconds = {LEASE_SECONDS}\n",
            self.kafka, self.etcd
        );
        std::fs::write(&config, text).unwrap();
        let mut command = self.program(env!("CARGO_BIN_EXE_cluster-relay"));
        command.arg("--config").arg(config).env("WORKFLOW_RELAY_LOG", "warn").spawn().unwrap()
    }

    /// A shop that places so many orders and waits for their ends.
    pub(crate) fn shop(&self, orders: u64, seed: u64) -> Shop {
        let mut command = self.orders();
        command.arg("orders").args(["--count", &orders.to_string(), "--seed", &seed.to_string(), "--json"]);
        Shop { orders, child: command.stdout(Stdio::piped()).spawn().unwrap() }
    }

    pub(crate) async fn observer(&self) -> EtcdObserver {
        let config = EtcdConfig::new(self.etcd.split(',')).namespace(self.namespace.clone());
        EtcdObserver::connect(config).await.unwrap()
    }

    /// Who owns which role of the orders.
    pub(crate) async fn roles(&self) -> Vec<OwnedRole> {
        let roles = self.observer().await.roles().await.unwrap();
        roles.into_iter().filter(|owned| owned.role.as_str().starts_with("orders-")).collect()
    }

    /// Waits until all roles of the orders belong to one worker; gives their epochs.
    pub(crate) async fn all_owned_by(&self, worker: &str) -> BTreeMap<String, u64> {
        let observer = self.observer().await;
        let mut epochs = BTreeMap::new();
        until(&format!("{worker} owns all roles"), async || {
            let roles = observer.roles().await.unwrap();
            let owned = roles.iter().filter(|owned| owned.instance_name == worker);
            epochs = owned.map(|owned| (owned.role.to_string(), owned.epoch.get())).collect();
            epochs.len() == ROLES
        })
        .await;
        epochs
    }

    /// Waits until a worker owns a role.
    pub(crate) async fn takes_part(&self, worker: &str) {
        let observer = self.observer().await;
        until(&format!("{worker} owns a role"), async || {
            observer.roles().await.unwrap().iter().any(|owned| owned.instance_name == worker)
        })
        .await;
    }
}

/// A process that places orders.
pub(crate) struct Shop {
    orders: u64,
    child: Child,
}

impl Shop {
    /// Waits until all orders have ended, each with every transition once.
    pub(crate) async fn all_ended_once(self) {
        let said = patiently("the orders end", self.child.wait_with_output()).await.unwrap();
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!(
            (&said["audit"]["orders"], &said["audit"]["broken"]),
            (&self.orders.into(), &0.into()),
            "{said}"
        );
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(child: &Child, signal: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// Ends a process as an orchestrator does; it says that nothing was left in flight.
pub(crate) async fn terminate(mut child: Child) {
    signal(&child, "-TERM");
    let status = patiently("a process ends", child.wait()).await.unwrap();
    assert!(status.success(), "{status}");
}
