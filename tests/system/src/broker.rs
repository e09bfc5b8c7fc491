//! Brokers of a test's own, which it can stop, freeze and start again.

use std::collections::BTreeSet;
use std::fs::{File, write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

use crate::patience::until;

/// How long one question to a broker that may not be up may take.
const QUESTION: std::time::Duration = std::time::Duration::from_secs(1);

/// The id of every cluster: no two of them ever meet.
const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// A broker in a process of its own. The first of a cluster is its controller too.
pub struct Broker {
    folder: TempDir,
    child: Option<Child>,
    node: u16,
    port: u16,
    guarded: u16,
    controller: u16,
    options: BrokerOptions,
}

/// How a broker differs from a plain one.
#[derive(Clone, Debug, Default)]
pub struct BrokerOptions {
    /// Where clients are told to reach it, if that is not where it listens.
    pub advertised: Option<u16>,
    /// Users that must log in on a second listener, with their passwords; what is not allowed to them is refused. The plain
    /// listener's users may do anything.
    pub users: Vec<(&'static str, &'static str)>,
    /// Further lines of its properties, which win over the usual ones.
    pub properties: String,
}

impl Broker {
    /// Starts one that is a cluster by itself.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start(options: BrokerOptions) -> Self {
        Self::start_by(options, |_| {}).await
    }

    /// The same; `before` is told its address before it is up, for whoever stands in front of it.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start_by(options: BrokerOptions, before: impl FnOnce(String)) -> Self {
        let mut broker = Self::prepare(1, free_port(), options);
        before(broker.address());
        broker.resume().await;
        broker
    }

    /// Starts one more in the cluster of this one, with the number `node`.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn join(&self, node: u16, options: BrokerOptions) -> Self {
        let mut broker = Self::prepare(node, self.controller, options);
        broker.resume().await;
        broker
    }

    fn prepare(node: u16, controller: u16, options: BrokerOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, guarded) = (free_port(), free_port());
        let broker = Self { folder, child: None, node, port, guarded, controller, options };
        broker.configure();
        let mut format = broker.java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER, "-c"]).arg(broker.file("server.properties"));
        assert!(format.status().expect("there is Java").success(), "{}", broker.log());
        broker
    }

    /// Changes its properties, which takes effect when it is started the next time.
    ///
    /// # Panics
    /// If its folder is gone.
    pub fn change(&mut self, properties: &str) {
        self.options.properties = properties.to_owned();
        self.configure();
    }

    fn configure(&self) {
        write(self.file("server.properties"), self.properties()).expect("its folder is there");
    }

    fn properties(&self) -> String {
        let Self { port, controller, node, options, .. } = self;
        let (roles, own) = match node {
            1 => ("broker,controller", format!(",CONTROLLER://127.0.0.1:{controller}")),
            _ => ("broker", String::new()),
        };
        let advertised = options.advertised.unwrap_or(*port);
        let (listener, guard) = self.guard();
        format!(
            "process.roles={roles}\nnode.id={node}\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port}{listener}{own}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}{listener}\n\
             inter.broker.listener.name=PLAINTEXT\ncontroller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_PLAINTEXT\n\
             log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\n{guard}{}\n",
            self.file("data").display(),
            options.properties,
        )
    }

    /// The listener on which users must log in, and what is said of them.
    fn guard(&self) -> (String, String) {
        if self.options.users.is_empty() {
            return (String::new(), String::new());
        }
        let user = |(name, password): &(&str, &str)| format!(" user_{name}=\"{password}\"");
        let users: String = self.options.users.iter().map(user).collect();
        let properties = format!(
            "sasl.enabled.mechanisms=PLAIN\nauthorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS\nlistener.name.guarded.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required{users};\n"
        );
        (format!(",GUARDED://127.0.0.1:{}", self.guarded), properties)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn java(&self, class: &str) -> Command {
        let libs = std::env::var("WORKFLOW_KAFKA_LIBS").expect(
            "no jars: set WORKFLOW_KAFKA_LIBS to the folder with those of Apache Kafka (`cargo xtask services env`)",
        );
        let log = File::options().create(true).append(true).open(self.file("log")).expect("a log");
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-cp", &format!("{libs}/*"), class]).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log is open")).stderr(log);
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where users log in.
    pub fn guarded_address(&self) -> String {
        format!("127.0.0.1:{}", self.guarded)
    }

    /// Starts it on what it has on its disk, and waits until it answers.
    ///
    /// # Panics
    /// If it ends instead.
    pub async fn resume(&mut self) {
        let properties = self.file("server.properties");
        self.child = Some(self.java("kafka.Kafka").arg(properties).spawn().expect("there is Java"));
        let address = self.address();
        until("an answer of the broker", async || {
            let child = self.child.as_mut().expect("it was started");
            let ended = child.try_wait().expect("the system says");
            assert!(ended.is_none(), "the broker ended: {}", self.log());
            answers(address.clone()).await
        })
        .await;
    }

    /// Stops it in the middle of whatever it does; its connections stay open, and nobody answers on them.
    ///
    /// # Panics
    /// If it is not under way.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Panics
    /// If it is not under way.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it is under way").id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("there is a kill");
        assert!(sent.success(), "{signal} of the broker");
    }

    /// Kills it, as a crash does.
    ///
    /// # Panics
    /// If the system does not let it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("the system says");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a broker there has been let into its cluster.
async fn answers(address: String) -> bool {
    let ask = move || {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", address).create().expect("a client");
        consumer.fetch_metadata(None, QUESTION).is_ok_and(|metadata| !metadata.brokers().is_empty())
    };
    tokio::task::spawn_blocking(ask).await.expect("asking does not panic")
}

/// A port that nobody has and that was not given before. It is below those that the system gives to connections: a broker
/// that is away must find its own again.
fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let port = fastrand::u16(15_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port) {
            return port;
        }
    }
}
