//! What the benchmarks need of the full stack: a database, Kafka, etcd, and processes of their own.

mod backlog;
mod connections;
mod limit;
mod process;
mod worker;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use scheduler_etcd::{EtcdConfig, EtcdScheduler};
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use workflow::Namespace;
use workflow::adapter::{Backend, Namespaced};

use crate::sql;

pub(crate) use backlog::{Backlog, backlog};
pub(crate) use connections::requests_sent;
pub(crate) use limit::{Floor, StackLimit, floor};
pub(crate) use process::Process;
pub(crate) use worker::{WorkerArgs, work};

/// How many partitions a topic has: the program's own default.
pub(crate) const PARTITIONS: u32 = 16;

/// How many shards the outbox is divided into.
pub(crate) const RELAY_SHARDS: u32 = 2;

/// The servers, with a database, topics and roles that nobody else uses.
pub(crate) struct Stack {
    pub(crate) database: sql::Database,
    pub(crate) brokers: String,
    pub(crate) endpoints: String,
    pub(crate) namespace: String,
}

/// What an engine runs on.
pub(crate) struct Connected {
    pub(crate) backend: Backend,
    pub(crate) scheduler: EtcdScheduler,
}

impl Stack {
    /// An empty database, and a namespace beside it.
    pub(crate) async fn fresh(kind: sql::Kind) -> anyhow::Result<Self> {
        Ok(Self {
            database: sql::Database::fresh(kind).await?,
            brokers: variable("WORKFLOW_KAFKA_BROKERS")?,
            endpoints: variable("WORKFLOW_ETCD_ENDPOINTS")?,
            namespace: format!("bench-{:.12}", uuid::Uuid::new_v4().simple().to_string()),
        })
    }

    /// Connects as a worker does.
    pub(crate) async fn connect(&self, name: &str) -> anyhow::Result<Connected> {
        connect(&self.worker_args(name, 0)?).await
    }

    /// The stream, without the namespace.
    pub(crate) fn kafka(&self) -> anyhow::Result<KafkaStreamer> {
        kafka(&self.brokers)
    }

    /// The names of the topics and roles begin with this.
    pub(crate) fn namespace(&self) -> anyhow::Result<Namespace> {
        Ok(Namespace::new(self.namespace.as_str())?)
    }

    /// A relay in a process of its own.
    pub(crate) fn relay(&self, name: &str) -> anyhow::Result<Process> {
        let mut command = Command::new(beside("outbox-relay")?);
        command.args(["--database", &self.database.url()?, "--kafka", &self.brokers]);
        command.args(["--etcd", &self.endpoints, "--namespace", &self.namespace]);
        command.args(["--shards", &RELAY_SHARDS.to_string()]);
        command.env("WORKFLOW_INSTANCE_NAME", name);
        Process::start(command, "relaying")
    }

    /// A worker in a process of its own: of the load, or of so many workflows that have nothing to do.
    pub(crate) fn worker(&self, name: &str, idle: u32) -> anyhow::Result<Process> {
        let args = self.worker_args(name, idle)?;
        let mut command = Command::new(std::env::current_exe().context("this program's own file")?);
        command.args(["worker", "--database", &args.database, "--kafka", &args.kafka]);
        command.args(["--etcd", &args.etcd, "--namespace", &args.namespace, "--name", name]);
        command.args(["--idle", &idle.to_string()]);
        Process::start(command, worker::READY)
    }

    fn worker_args(&self, name: &str, idle: u32) -> anyhow::Result<WorkerArgs> {
        Ok(WorkerArgs {
            database: self.database.url()?,
            kafka: self.brokers.clone(),
            etcd: self.endpoints.clone(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            idle,
        })
    }
}

async fn connect(args: &WorkerArgs) -> anyhow::Result<Connected> {
    let database = workflow::Database::connect(&args.database).await?;
    database.ring_relays();
    let namespace = Namespace::new(args.namespace.as_str())?;
    let etcd = EtcdConfig::new(args.etcd.split(',')).namespace(namespace.clone());
    let scheduler = EtcdScheduler::connect(etcd.instance_name(args.name.as_str())).await?;
    let streamer = Namespaced::new(kafka(&args.kafka)?, namespace);
    Ok(Connected { backend: database.backend_with(streamer, scheduler.clone()), scheduler })
}

fn kafka(brokers: &str) -> anyhow::Result<KafkaStreamer> {
    let config = KafkaConfig::new(brokers.split(',')).create_topics(true).partitions(PARTITIONS);
    Ok(KafkaStreamer::new(config)?)
}

fn variable(name: &str) -> anyhow::Result<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.with_context(|| {
        format!("no server: `cargo xtask bench distributed` starts one, or set {name}=ADDRESS")
    })
}

/// A program that was built together with this one.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program's own file")?.with_file_name(name);
    anyhow::ensure!(program.is_file(), "{} is missing: cargo build --release -p {name}", program.display());
    Ok(program)
}
