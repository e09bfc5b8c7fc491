//! The servers of the full stack: database, Kafka and etcd.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use scheduler_etcd::{EtcdConfig, EtcdObserver, EtcdScheduler};
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use workflow::Namespace;
use workflow::adapter::{Backend, Namespaced};
use workflow::prelude::*;

use crate::place::Place;

/// Where the servers are; each can be said by its variable as well.
#[derive(Args, Clone, Debug)]
pub struct Servers {
    /// The database, as a connection string
    #[arg(short, long, value_name = "URL", env = "WORKFLOW_DATABASE_URL", hide_env_values = true)]
    #[arg(value_parser = OsStringValueParser::new().map(Place::from))]
    pub database: Place,

    /// The Kafka brokers, as host:port, with commas between several
    #[arg(
        long,
        value_name = "BROKERS",
        env = "WORKFLOW_KAFKA_BROKERS",
        value_delimiter = ',',
        required = true
    )]
    pub kafka: Vec<String>,

    /// Where etcd is.
    #[command(flatten)]
    pub etcd: Etcd,

    /// What this worker is called among the owners of roles [default: the host and the number of the process]
    #[arg(long, value_name = "NAME", env = "WORKFLOW_INSTANCE_NAME")]
    pub name: Option<String>,

    /// For how many seconds this worker's roles stay its own after it has gone silent; then others take them over
    #[arg(long, value_name = "SECONDS", default_value_t = 10, env = "WORKFLOW_ETCD_LEASE_SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(2..=300))]
    pub lease: u64,

    /// How many partitions a topic gets that is not there yet
    #[arg(long, value_name = "N", default_value_t = 16, env = "WORKFLOW_KAFKA_PARTITIONS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub partitions: u32,
}

/// Where etcd is, and in which namespace.
#[derive(Args, Clone, Debug)]
pub struct Etcd {
    /// The etcd servers, as http://host:port, with commas between several
    #[arg(long = "etcd", value_name = "ENDPOINTS", env = "WORKFLOW_ETCD_ENDPOINTS", value_delimiter = ',')]
    pub endpoints: Vec<String>,

    /// What the names of topics and roles begin with, where several databases share Kafka and etcd
    #[arg(long, value_name = "NAME", env = "WORKFLOW_NAMESPACE")]
    pub namespace: Option<String>,
}

impl Etcd {
    fn namespace(&self) -> anyhow::Result<Namespace> {
        let name = self.namespace.as_deref().filter(|name| !name.is_empty());
        Ok(name.map_or(Ok(Namespace::NONE), Namespace::new)?)
    }

    fn config(&self) -> anyhow::Result<EtcdConfig> {
        Ok(EtcdConfig::new(&self.endpoints).namespace(self.namespace()?))
    }

    /// Which instance owns which role; nothing if it was not said where etcd is.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) async fn owners(&self) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        if self.endpoints.is_empty() {
            return Ok(None);
        }
        let etcd = EtcdObserver::connect(self.config()?).await.context("cannot use etcd")?;
        let owned = etcd.roles().await.context("cannot ask etcd who owns what")?;
        Ok(Some(owned.into_iter().map(|role| (role.role.to_string(), role.instance_name)).collect()))
    }
}

/// What a worker runs on.
pub(super) struct Connected {
    pub(super) backend: Backend,
    /// The database, without its password.
    pub(super) place: String,
    scheduler: EtcdScheduler,
}

impl Servers {
    /// Connects to all of them.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub(super) async fn connect(&self) -> anyhow::Result<Connected> {
        let place = &self.database;
        let database = Database::options().connect_to(place.dsn()?).await;
        let database = database.with_context(|| format!("cannot use {place}"))?;
        let place = database.place();
        database.ring_relays();
        let kafka =
            KafkaConfig::new(self.kafka.iter().cloned()).create_topics(true).partitions(self.partitions);
        let streamer = KafkaStreamer::new(kafka).context("cannot use Kafka")?;
        anyhow::ensure!(
            !self.etcd.endpoints.is_empty(),
            "it is not said where etcd is: --etcd http://host:2379"
        );
        let etcd = self.etcd.config()?.lease_time(Duration::from_secs(self.lease));
        let etcd = self.name.iter().fold(etcd, |etcd, name| etcd.instance_name(name.as_str()));
        let scheduler = EtcdScheduler::connect(etcd).await.context("cannot use etcd")?;
        let id = database.id().await.with_context(|| format!("cannot read the id of {place}"))?;
        // Two databases with one namespace would take each other's roles away.
        scheduler.bind_namespace(id).await.context("cannot use the namespace in etcd")?;
        let streamer = Namespaced::new(streamer, self.etcd.namespace()?);
        let backend = database.backend_with(streamer, scheduler.clone());
        Ok(Connected { backend, place, scheduler })
    }
}

impl Connected {
    /// Leaves, so that others need not wait until the lease has expired.
    pub(super) async fn close(self) {
        self.scheduler.close().await;
    }
}
