//! All that a run needs on its way: a database, brokers, etcd, a relay and a worker.

use std::time::Duration;

use scheduler_etcd::{EtcdConfig, EtcdScheduler};
use streamer_kafka::{KafkaConfig, KafkaStreamer, PartitionLag, Topics};
use tempfile::TempDir;
use workflow::adapter::Namespaced;
use workflow::{GroupName, Namespace, Running, StatusCode, Topic, WorkflowName};
use workflow_system_tests::ground::{Ground, Kind};

use crate::legs::{Journey, LEGS, Leg, Walked, legs};
use crate::relay::Relay;

/// How long a run may look lost before its event is sent again, in tests in which none may be lost.
pub(crate) const NEVER: Duration = Duration::from_hours(1);

/// How long the tests' relays try one event: less than the default, for the outage to be told in time.
const DELIVERY_MS: u64 = 5_000;

/// Where everything is.
pub(crate) struct Stage {
    pub(crate) ground: Ground,
    pub(crate) namespace: Namespace,
    brokers: String,
    /// Where the relay reaches the brokers, if that is not where the others do.
    pub(crate) relay_brokers: Option<String>,
    etcd: String,
    folder: TempDir,
    /// Whether missing topics are made by whoever misses them.
    pub(crate) creates: bool,
    /// Further settings of the relay's section on Kafka.
    pub(crate) kafka_settings: String,
}

/// A process that works on the steps.
pub(crate) struct Worker {
    pub(crate) running: Running<Journey, Leg>,
    pub(crate) walked: Walked,
    scheduler: EtcdScheduler,
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("no server: `cargo xtask services up`, then set {variable} as `cargo xtask services env` prints it")
    })
}

impl Stage {
    /// On the brokers that all tests share.
    pub(crate) async fn shared(kind: Kind) -> Self {
        Self::on(kind, server("WORKFLOW_KAFKA_BROKERS")).await
    }

    /// On brokers of the test's own.
    pub(crate) async fn on(kind: Kind, brokers: String) -> Self {
        Self {
            ground: Ground::fresh(kind).await,
            namespace: Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap(),
            brokers,
            relay_brokers: None,
            etcd: server("WORKFLOW_ETCD_ENDPOINTS"),
            folder: tempfile::tempdir().unwrap(),
            creates: true,
            kafka_settings: String::new(),
        }
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// How the test's own clients and the worker's reach the brokers.
    pub(crate) fn kafka(&self) -> KafkaConfig {
        KafkaConfig::new([self.brokers.as_str()])
            .create_topics(self.creates)
            .partitions(2)
            .request_timeout(Duration::from_secs(3))
            .watch_interval(Duration::from_millis(500))
    }

    /// A relay under a role of etcd.
    pub(crate) async fn relay(&self) -> Relay {
        let Self { namespace, etcd, creates, kafka_settings, .. } = self;
        let brokers = self.relay_brokers.as_ref().unwrap_or(&self.brokers);
        let endpoints: Vec<&str> = etcd.split(',').collect();
        let config = format!(
            "database = {:?}\nnamespace = \"{namespace}\"\n[etcd]\nendpoints = {endpoints:?}\nlease_seconds = 2\n\
             [limits]\nmeasure_every_ms = 100\n[kafka]\nbrokers = \"{brokers}\"\ncreate_topics = {creates}\npartitions = 2\n\
             request_timeout_ms = 3000\ndelivery_timeout_ms = {DELIVERY_MS}\n{kafka_settings}\n",
            self.ground.url(),
        );
        Relay::start(self.folder.path(), &config).await
    }

    /// A worker; what looks lost for `reconcile_every` is sent again.
    pub(crate) async fn worker(&self, reconcile_every: Duration) -> Worker {
        let database = self.ground.database().await;
        database.ring_relays();
        let etcd = EtcdConfig::new(self.etcd.split(',')).namespace(self.namespace.clone());
        let scheduler = EtcdScheduler::connect(etcd).await.unwrap();
        let streamer = Namespaced::new(KafkaStreamer::new(self.kafka()).unwrap(), self.namespace.clone());
        let (backend, walked) = (database.backend_with(streamer, scheduler.clone()), Walked::default());
        let running = legs(walked.clone(), reconcile_every).run(backend).await.unwrap();
        Worker { running, walked, scheduler }
    }

    /// The topic of a leg.
    pub(crate) fn topic(&self, leg: Leg) -> Topic {
        Topic::of_status(&name(), code(leg)).within(&self.namespace)
    }

    /// Every topic of the workflow that events of steps and of ends go to.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        let mut topics: Vec<Topic> = [Leg::First, Leg::Second, Leg::Third].map(|leg| self.topic(leg)).into();
        topics.push(Topic::of_run_state_changes(&name()).within(&self.namespace));
        topics
    }

    /// How many replicas of a leg's topic are in sync, at the least of all its partitions.
    pub(crate) async fn in_sync(&self, leg: Leg) -> usize {
        let described = Topics::new(self.kafka()).unwrap().describe(&self.topic(leg)).await;
        let partitions = described.ok().flatten().map(|found| found.partitions).unwrap_or_default();
        partitions.iter().map(|partition| partition.in_sync.len()).min().unwrap_or_default()
    }

    /// How far the step of a leg is in its topic.
    pub(crate) async fn lag(&self, leg: Leg) -> Vec<PartitionLag> {
        let group = GroupName::of_step(&name(), code(leg)).within(&self.namespace);
        let topics = Topics::new(self.kafka()).unwrap();
        topics.lag(&self.topic(leg), group.as_str()).await.ok().flatten().unwrap_or_default()
    }
}

fn name() -> WorkflowName {
    WorkflowName::new(LEGS).unwrap()
}

fn code(leg: Leg) -> StatusCode {
    StatusCode::new(leg as i32).unwrap()
}

impl Worker {
    /// Begins so many journeys, whose names begin with `prefix`.
    pub(crate) async fn begin(&self, prefix: &str, journeys: usize) {
        let starts = (0..journeys).map(|number| {
            let id = format!("{prefix}-{number}");
            workflow::Start::new(id.clone(), Journey::default()).key(id)
        });
        for begun in self.running.trigger_all(starts).await.unwrap() {
            begun.unwrap();
        }
    }

    /// The sum of a metric over all its labels that have this value among them.
    pub(crate) fn metric(&self, name: &str, label: Option<&str>) -> f64 {
        let samples = self.running.metrics().samples();
        let of_it = samples.iter().filter(|sample| {
            sample.name == name
                && label.is_none_or(|label| sample.labels.iter().any(|(_, value)| value == label))
        });
        of_it.map(|sample| sample.value).sum()
    }

    /// Ends it as an orchestrator does.
    pub(crate) async fn end(self) {
        self.running.shutdown(Duration::from_secs(20)).await;
        self.scheduler.close().await;
    }
}
