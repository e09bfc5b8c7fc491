//! Relays in processes of their own, over one database, and what is in its outbox.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use order_processor::flow::{Shop, orders};
use order_processor::generate;
use scheduler_etcd::{EtcdConfig, EtcdObserver, OwnedRole};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use workflow::{Namespace, StatusCode, Topic, WorkflowName};
use workflow_system_tests::ground::{Ground, Kind, Session};
use workflow_system_tests::patience::{patiently, until};

/// For how many seconds the roles of a relay that is dead stay its own.
pub(crate) const LEASE_SECONDS: u64 = 3;

/// A shard that is to move has moved by then: it is held for a second before.
const SETTLED_AFTER: Duration = Duration::from_secs(4);

/// How long a relay may take to end what is under way.
const DRAIN: &str = "20s";

/// A database and topics of a test's own, for relays.
pub(crate) struct Relays {
    pub(crate) ground: Ground,
    pub(crate) namespace: Namespace,
    kafka: String,
    etcd: String,
    folder: TempDir,
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("no server: `cargo xtask services up`, then set {variable} as `cargo xtask services env` prints it")
    })
}

impl Relays {
    pub(crate) async fn fresh(kind: Kind) -> Self {
        let ground = Ground::fresh(kind).await;
        // It makes the tables.
        ground.database().await;
        Self {
            ground,
            namespace: Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap(),
            kafka: server("WORKFLOW_KAFKA_BROKERS"),
            etcd: server("WORKFLOW_ETCD_ENDPOINTS"),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A relay without etcd.
    pub(crate) fn single(&self, more: &[&str]) -> Child {
        self.start("", &[&["--single"], more].concat())
    }

    /// A relay that shares two shards with others.
    pub(crate) fn sharing(&self, more: &[&str]) -> Child {
        let etcd = format!("[etcd]\nendpoints = [\"{}\"]\nlease_seconds = {LEASE_SECONDS}\n", self.etcd);
        self.start(&etcd, &[&["--shards", "2"], more].concat())
    }

    fn start(&self, etcd: &str, arguments: &[&str]) -> Child {
        let config = self.folder.path().join(format!("{:016x}.toml", fastrand::u64(..)));
        let kafka = format!("brokers = \"{}\"\ncreate_topics = true\npartitions = 4\n", self.kafka);
        std::fs::write(&config, format!("[kafka]\n{kafka}{etcd}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-relay"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WORKFLOW_")) {
            command.env_remove(name);
        }
        command.arg("--config").arg(config).args(["--database", self.ground.url()]);
        command.args(["--namespace", &self.namespace.to_string(), "--log", "warn", "--drain-timeout", DRAIN]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// Places so many orders: each is a row of the outbox. The same seed makes the same orders.
    pub(crate) async fn place(&self, count: u64, seed: u64) {
        let (courier, _) = mpsc::unbounded_channel();
        let shop = Shop { courier, receipts: Arc::default() };
        let client = orders(shop, 1).unwrap().connect(self.ground.database().await).await.unwrap();
        let starts = generate::all(count, seed).map(|order| (order.id.clone(), order));
        for started in client.trigger_all(starts).await.unwrap() {
            started.unwrap();
        }
    }

    /// The topic of those events.
    pub(crate) fn topic_of_orders(&self) -> String {
        self.topic("orders")
    }

    /// The topic of the first status of a workflow.
    pub(crate) fn topic(&self, workflow: &str) -> String {
        let name = WorkflowName::new(workflow).unwrap();
        Topic::of_status(&name, StatusCode::new(1).unwrap()).within(&self.namespace).to_string()
    }

    /// Waits until nothing is in the outbox any more.
    pub(crate) async fn all_gone(&self) {
        let mut session = self.ground.session().await;
        until("the outbox is empty", async || rows(&mut session).await == 0).await;
    }

    /// Two relays that share the shards: the owner of the first shard, and the other one.
    pub(crate) async fn pair(&self) -> (Child, Child) {
        let (one, other) = (self.sharing(&[]), self.sharing(&[]));
        let etcd = self.observer().await;
        until("both are there", async || etcd.instances().await.unwrap().len() == 2).await;
        let (mut seen, mut since, mut first_is_one) = (Vec::new(), Instant::now(), false);
        // What is under way when a shard moves to who came later is published again.
        until("both shards are owned, and move no more", async || {
            let roles = etcd.roles().await.unwrap();
            if roles != seen {
                (seen, since) = (roles, Instant::now());
            }
            first_is_one = seen.first().is_some_and(|owned| is_of(owned, &one));
            seen.len() == 2 && since.elapsed() > SETTLED_AFTER
        })
        .await;
        if first_is_one { (one, other) } else { (other, one) }
    }

    async fn observer(&self) -> EtcdObserver {
        let config = EtcdConfig::new(self.etcd.split(',')).namespace(self.namespace.clone());
        EtcdObserver::connect(config).await.unwrap()
    }

    /// Waits until a relay owns both shards.
    pub(crate) async fn are_all_of(&self, relay: &Child) {
        let etcd = self.observer().await;
        until("both shards are owned by one relay", async || {
            let roles = etcd.roles().await.unwrap();
            roles.len() == 2 && roles.iter().all(|owned| is_of(owned, relay))
        })
        .await;
    }
}

/// A relay is called by its host and the number of its process.
fn is_of(owned: &OwnedRole, relay: &Child) -> bool {
    owned.instance_name.ends_with(&format!("-{}", relay.id().unwrap()))
}

/// How many rows the outbox has.
pub(crate) async fn rows(session: &mut Session) -> i64 {
    session.number("select count(*) from workflow_outbox").await.unwrap()
}

/// Sends a signal to a process.
pub(crate) fn signal(child: &Child, signal: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// Waits for the end of a process.
pub(crate) async fn ended(mut child: Child) -> ExitStatus {
    patiently("a relay ends", child.wait()).await.unwrap()
}
