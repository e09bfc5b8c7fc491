//! A broker of the test's own, to be stopped and started.

use std::fs::{File, write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use streamer_kafka::{KafkaConfig, Topics};
use tempfile::TempDir;
use workflow_core::Topic;

/// The jars that the broker is made of.
fn libs() -> String {
    let libs = std::env::var("WORKFLOW_KAFKA_LIBS").unwrap_or_else(|_| {
        panic!("these tests start brokers of their own: set WORKFLOW_KAFKA_LIBS to the folder with the jars of Apache Kafka, as `cargo xtask services env` prints it")
    });
    format!("{libs}/*")
}

pub struct Broker {
    folder: TempDir,
    child: Option<Child>,
    pub plain: u16,
    pub tls: u16,
    pub sasl: u16,
}

/// What a broker has beside its plain listener.
pub enum With {
    Nothing,
    /// A key and a certificate with its authority, and users.
    Security {
        keystore: PathBuf,
        authority: PathBuf,
    },
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are known.
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

impl Broker {
    pub async fn start(with: With) -> Self {
        let [plain, tls, sasl, controller] = free_ports();
        let folder = tempfile::tempdir().unwrap();
        let mut broker = Self { folder, child: None, plain, tls, sasl };
        broker.configure(&with, controller);
        let mut format = broker.java(&["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg"]);
        format.arg("-c").arg(broker.file("server.properties"));
        if matches!(with, With::Security { .. }) {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                format.arg("--add-scram").arg(format!("{mechanism}=[name=scrammer,password=s3cret]"));
            }
        }
        assert!(format.status().unwrap().success(), "{}", broker.log());
        broker.resume().await;
        broker
    }

    fn configure(&self, with: &With, controller: u16) {
        let Self { plain, tls, sasl, .. } = self;
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{plain}");
        let mut more = String::new();
        if let With::Security { keystore, authority } = with {
            listeners += &format!(",SSL://localhost:{tls},SASL_PLAINTEXT://127.0.0.1:{sasl}");
            more = format!(
                "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
                 ssl.client.auth=required\nsasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
                 listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_plainer=\"s3cret\";\n\
                 listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
                 listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n",
                keystore.display(),
                authority.display(),
            );
        }
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners={listeners}\n\
             inter.broker.listener.name=PLAINTEXT\ncontroller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT\n\
             log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\n{more}",
            self.file("data").display(),
        );
        write(self.file("server.properties"), properties).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }

    fn java(&self, arguments: &[&str]) -> Command {
        let log = File::options().create(true).append(true).open(self.file("log")).unwrap();
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-cp", &libs()]).args(arguments).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    pub fn config(&self) -> KafkaConfig {
        KafkaConfig::new([format!("127.0.0.1:{}", self.plain)]).create_topics(true).partitions(2)
    }

    /// Starts it on what it has on its disk.
    pub async fn resume(&mut self) {
        let properties = self.file("server.properties");
        let child = self.java(&["kafka.Kafka"]).arg(properties).spawn().unwrap();
        self.child = Some(child);
        let topics = Topics::new(self.config()).unwrap();
        super::until("the broker answers", async || {
            let child = self.child.as_mut().unwrap();
            assert!(child.try_wait().unwrap().is_none(), "the broker ended: {}", self.log());
            topics.describe(&Topic::new("none")).await.ok()
        })
        .await;
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
