//! The relay, the workers and the shop, each in a process of its own, that tell a collector of themselves.

use std::net::SocketAddr;
use std::process::Stdio;

use scheduler_etcd::{EtcdConfig, EtcdObserver};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use workflow::Namespace;
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{patiently, until};

use crate::collector::Collector;

/// The name of the relay's service.
pub(crate) const RELAY: &str = "relay-of-the-test";

/// The name of the shop's service.
pub(crate) const SHOP: &str = "shop";

/// How many roles the workflow of the orders has.
const ROLES: usize = 11;

/// How many workers are enough that the steps' roles are not all on one of them.
const WORKERS_MAX: usize = 6;

/// A server that `cargo xtask services up` starts.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("no server: `cargo xtask services up`, then set {variable} as `cargo xtask services env` prints it")
    })
}

/// A process that serves pages.
pub(crate) struct Process {
    pub(crate) service: String,
    child: Child,
    errors: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
}

impl Process {
    /// Starts it; it says where its pages are.
    async fn start(service: &str, mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = patiently("the address of the pages", async {
            loop {
                let line = errors.next_line().await.unwrap().expect("it says where its pages are");
                let found = line.contains("health and metrics are served").then(|| address_in(&line));
                if let Some(address) = found.flatten() {
                    return address;
                }
            }
        });
        let address = address.await;
        Self { service: service.to_owned(), child, errors, address }
    }

    /// A page that it serves: the status and the text.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nhost: here\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Ends it as an orchestrator does; nothing is left in flight, and what is left to tell is told.
    async fn end(mut self) {
        let pid = self.child.id().unwrap();
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await.unwrap();
        assert!(sent.success());
        let mut said = String::new();
        let ended = async {
            while let Some(line) = self.errors.next_line().await.unwrap() {
                said += &(line + "\n");
            }
            self.child.wait().await.unwrap()
        };
        let status = patiently("the end of a process", ended).await;
        assert!(status.success() && !said.contains("are lost"), "{}: {status}: {said}", self.service);
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let at = line.find("127.0.0.1:")?;
    line[at..].split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').next()?.parse().ok()
}

/// All of them.
pub(crate) struct Stack {
    ground: Ground,
    namespace: Namespace,
    collector: String,
    folder: tempfile::TempDir,
    pub(crate) relay: Process,
    pub(crate) workers: Vec<Process>,
}

impl Stack {
    /// A relay and a worker.
    pub(crate) async fn start(kind: Kind, collector: &Collector) -> Self {
        let ground = Ground::fresh(kind).await;
        let namespace = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("relay.toml");
        // The environment and the flag go over what the file says.
        let text = "[kafka]\ncreate_topics = true\npartitions = 2\n[limits]\nmeasure_every_ms = 50\n\
                    [telemetry]\notlp_endpoint = \"http://127.0.0.1:1\"\nservice_name = \"of-the-file\"\n";
        std::fs::write(&config, text).unwrap();
        let mut relay = command(env!("CARGO_BIN_EXE_cluster-relay"), &ground, &namespace);
        relay.arg("--config").arg(&config).args(["--shards", "2", "--listen", "127.0.0.1:0"]);
        relay.args(["--otlp-endpoint", collector.endpoint()]).env("OTEL_SERVICE_NAME", RELAY);
        let relay = Process::start(RELAY, relay).await;
        let collector = collector.endpoint().to_owned();
        let mut stack = Self { ground, namespace, collector, folder, relay, workers: Vec::new() };
        stack.add_worker().await;
        stack
    }

    async fn add_worker(&mut self) {
        let name = format!("worker-{}", self.workers.len() + 1);
        let mut command = self.orders();
        command.args(["worker", "--metrics", "127.0.0.1:0", "--service-name", &name]);
        command.env("WORKFLOW_INSTANCE_NAME", &name);
        self.workers.push(Process::start(&name, command).await);
    }

    fn orders(&self) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_cluster-orders"), &self.ground, &self.namespace);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.collector);
        command
    }

    /// Adds a worker, if there are not enough for the steps to be on several of them, and waits until each owns some role.
    pub(crate) async fn spread(&mut self) {
        if self.workers.len() < WORKERS_MAX {
            self.add_worker().await;
        }
        let etcd = server("WORKFLOW_ETCD_ENDPOINTS");
        let etcd = EtcdConfig::new(etcd.split(',')).namespace(self.namespace.clone());
        let etcd = EtcdObserver::connect(etcd).await.unwrap();
        until("all workers own roles", async || {
            let owned = etcd.roles().await.unwrap();
            let of_orders: Vec<_> =
                owned.iter().filter(|each| each.role.as_str().starts_with("orders-")).collect();
            let has_some = |it: &Process| of_orders.iter().any(|each| each.instance_name == it.service);
            of_orders.len() >= ROLES && self.workers.iter().all(has_some)
        })
        .await;
    }

    /// Places an order for what is out of stock and waits for its end; gives the order's id.
    pub(crate) async fn order(&self, number: usize) -> String {
        let id = format!("order-{number}");
        let input = self.folder.path().join("orders.jsonl");
        let items = "[{\"sku\":\"RARE-PUERH\",\"quantity\":1,\"unit_cents\":100}]";
        let payment = "{\"method\":\"card\",\"last_four\":\"3366\"}";
        let order = format!(
            "{{\"id\":\"{id}\",\"customer\":\"ada\",\"items\":{items},\"payment\":{payment},\"courier\":\"prompt\"}}\n"
        );
        std::fs::write(&input, order).unwrap();
        let mut shop = self.orders();
        shop.args(["orders", "--json", "--service-name", SHOP, "--input"]).arg(&input);
        let said = patiently("the end of the order", shop.stderr(Stdio::inherit()).output()).await.unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
        id
    }

    /// Ends all of them.
    pub(crate) async fn end(self) {
        for worker in self.workers {
            worker.end().await;
        }
        self.relay.end().await;
    }
}

/// A program that knows the servers, and tells of itself soon.
fn command(program: &str, ground: &Ground, namespace: &Namespace) -> Command {
    let mut command = Command::new(program);
    let foreign = std::env::vars_os().map(|(name, _)| name);
    for name in foreign.filter(|it| it.to_str().is_some_and(|it| it.starts_with("OTEL_") || it == "RUST_LOG"))
    {
        command.env_remove(name);
    }
    command
        .env("WORKFLOW_DATABASE_URL", ground.url())
        .env("WORKFLOW_KAFKA_BROKERS", server("WORKFLOW_KAFKA_BROKERS"))
        .env("WORKFLOW_KAFKA_PARTITIONS", "2")
        .env("WORKFLOW_ETCD_ENDPOINTS", server("WORKFLOW_ETCD_ENDPOINTS"))
        .env("WORKFLOW_NAMESPACE", namespace.to_string())
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "200")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}
