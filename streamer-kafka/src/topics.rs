//! Topics: making, describing, and how far groups are behind.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use workflow_core::Topic;
use workflow_core::adapter::{BackendError, ErrorKind};

use crate::client::{Context, Kept};
use crate::cluster::{Cluster, blocking};
use crate::error::{failed, is_missing, missing_topic};
use crate::{KafkaConfig, KafkaConfigErrors};

/// How long between two looks whether a topic that was made is known to the broker that is asked.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What an operator asks of topics.
///
/// ```
/// use streamer_kafka::{KafkaConfig, Topics};
/// let topics = Topics::new(KafkaConfig::new(["127.0.0.1:9092"]).partitions(8))?;
/// # let _ = topics; Ok::<(), streamer_kafka::KafkaConfigErrors>(())
/// ```
#[derive(Clone)]
pub struct Topics(Arc<Cluster>);

/// Whether a topic had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    Made,
    /// It was there, with however many partitions.
    WasThere,
}

/// A topic as the brokers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub topic: Topic,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionDescription>,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// The number.
    pub partition: u32,
    /// The broker that leads it; none while one is chosen.
    pub leader: Option<i32>,
    /// The brokers that keep it.
    pub replicas: Vec<i32>,
    /// Those of them that are up to date.
    pub in_sync: Vec<i32>,
    /// The oldest offset that is kept.
    pub oldest: u64,
    /// The offset of the next event.
    pub next: u64,
}

/// How far a group is in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition.
    pub partition: u32,
    /// Everything before this offset is settled; none if the group has committed nothing yet.
    pub committed: Option<u64>,
    /// The oldest offset that is kept.
    pub oldest: u64,
    /// The offset of the next event.
    pub next: u64,
}

impl PartitionLag {
    /// How many events the group has before it; a group without a position has all that are kept.
    ///
    /// ```
    /// use streamer_kafka::PartitionLag;
    /// let lag = PartitionLag { partition: 0, committed: Some(7), oldest: 2, next: 10 };
    /// assert_eq!((lag.events(), PartitionLag { committed: None, ..lag }.events()), (3, 8));
    /// ```
    pub fn events(&self) -> u64 {
        self.next.saturating_sub(self.committed.unwrap_or(0).max(self.oldest))
    }
}

impl Topics {
    /// Checks the configuration; nothing is asked of a broker before it is needed.
    ///
    /// # Errors
    /// [`KafkaConfigErrors`] names every setting that cannot be used.
    pub fn new(config: KafkaConfig) -> Result<Self, KafkaConfigErrors> {
        config.check()?;
        Ok(Self(Arc::new(Cluster::new(config))))
    }

    pub(crate) fn of(cluster: &Arc<Cluster>) -> Self {
        Self(Arc::clone(cluster))
    }

    /// Makes a topic with the configured partitions, replication and retention, unless it is there.
    ///
    /// # Errors
    /// [`BackendError`] if it cannot be made: the name is not one, the brokers do not allow it, or none answers.
    pub async fn create(&self, topic: &Topic) -> Result<Created, BackendError> {
        create(&self.0, topic).await
    }

    /// Every topic that the brokers show, by name, and how many partitions it has.
    ///
    /// # Errors
    /// [`BackendError`] if the brokers cannot be asked.
    pub async fn list(&self) -> Result<Vec<(Topic, usize)>, BackendError> {
        let this = Arc::clone(&self.0);
        let listed = blocking("metadata", move || {
            let producer = this.producer()?;
            let metadata = producer.client().fetch_metadata(None, this.config.request());
            let metadata = metadata.map_err(|error| failed("the topics cannot be listed", error))?;
            let shown = metadata.topics().iter().filter(|found| found.error().is_none());
            Ok(shown.map(|found| (found.name().to_owned(), found.partitions().len())).collect::<Vec<_>>())
        });
        let mut listed = listed.await?;
        listed.sort();
        Ok(listed.into_iter().map(|(name, partitions)| (Topic::new(name), partitions)).collect())
    }

    /// Looks at a topic; `None` if it does not exist.
    ///
    /// # Errors
    /// [`BackendError`] if the brokers cannot be asked.
    pub async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, BackendError> {
        let Some(mut partitions) = replicas(&self.0, topic).await? else { return Ok(None) };
        partitions.sort_by_key(|each| each.partition);
        let numbers = partitions.iter().map(|each| each.partition).collect();
        for (each, ends) in partitions.iter_mut().zip(self.0.ends(topic, numbers).await?) {
            (each.oldest, each.next) = ends;
        }
        Ok(Some(TopicDescription { topic: topic.clone(), partitions }))
    }

    /// How far a group is in each partition of a topic; `None` if the topic does not exist.
    ///
    /// # Errors
    /// [`BackendError`] if the brokers cannot be asked.
    pub async fn lag(&self, topic: &Topic, group: &str) -> Result<Option<Vec<PartitionLag>>, BackendError> {
        let Some(count) = self.0.partitions(topic).await? else { return Ok(None) };
        let partitions: Vec<u32> = (0..count).collect();
        let committed = self.0.committed_by(group, topic, partitions.clone()).await?;
        let ends = self.0.ends(topic, partitions.clone()).await?;
        let lags = partitions.into_iter().zip(committed).zip(ends);
        Ok(Some(
            lags.map(|((partition, committed), (oldest, next))| PartitionLag {
                partition,
                committed,
                oldest,
                next,
            })
            .collect(),
        ))
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topics").field(&self.0.config).finish()
    }
}

/// How many partitions a topic has; it is made if it is missing and may be made.
pub(crate) async fn ensure(cluster: &Arc<Cluster>, topic: &Topic) -> Result<u32, BackendError> {
    if let Some(partitions) = cluster.partitions(topic).await? {
        return Ok(partitions);
    }
    if !cluster.config.create_topics {
        return Err(missing_topic(topic, cluster.config.partitions));
    }
    create(cluster, topic).await?;
    let partitions = cluster.partitions(topic).await?;
    partitions.ok_or_else(|| {
        BackendError::new(
            ErrorKind::Transient,
            format!("topic {topic} was made and is not known to all brokers yet"),
        )
    })
}

async fn create(cluster: &Arc<Cluster>, topic: &Topic) -> Result<Created, BackendError> {
    topic.check().map_err(|error| {
        BackendError::with_source(ErrorKind::Permanent, format!("topic {topic} cannot be made"), error)
    })?;
    let config = &cluster.config;
    let what = || format!("topic {topic} cannot be made");
    let admin = AdminClient::from_config_and_context(&config.common(), Context(Arc::clone(&cluster.clients)));
    let admin = Kept::new(admin.map_err(|error| failed(what(), error))?, &cluster.clients);
    let copies = config.replication.map_or(-1, i32::from);
    let partitions = crate::cluster::number(config.partitions);
    let retention = config.retention_ms.map(|millis| millis.to_string());
    let mut new = NewTopic::new(topic.as_str(), partitions, TopicReplication::Fixed(copies));
    if let Some(retention) = &retention {
        new = new.set("retention.ms", retention);
    }
    let options =
        AdminOptions::new().request_timeout(Some(config.request())).operation_timeout(Some(config.request()));
    let mut made = admin.create_topics([&new], &options).await.map_err(|error| failed(what(), error))?;
    let created = match made.pop() {
        None | Some(Ok(_)) => Created::Made,
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Created::WasThere,
        Some(Err((_, code))) => return Err(failed(what(), KafkaError::AdminOp(code))),
    };
    wait_until_known(cluster, topic).await?;
    if created == Created::Made {
        tracing::info!(%topic, partitions, "topic made");
    }
    Ok(created)
}

/// The broker that is asked next may not have heard of the topic yet.
async fn wait_until_known(cluster: &Arc<Cluster>, topic: &Topic) -> Result<(), BackendError> {
    let begun = Instant::now();
    while cluster.partitions(topic).await?.is_none() {
        if begun.elapsed() > cluster.config.request() {
            let context = format!("topic {topic} was made and is not known to all brokers yet");
            return Err(BackendError::new(ErrorKind::Transient, context));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

async fn replicas(
    cluster: &Arc<Cluster>,
    topic: &Topic,
) -> Result<Option<Vec<PartitionDescription>>, BackendError> {
    let (this, topic) = (Arc::clone(cluster), topic.clone());
    blocking("metadata", move || {
        let what = || format!("topic {topic} cannot be described");
        let producer = this.producer()?;
        let metadata = producer.client().fetch_metadata(Some(topic.as_str()), this.config.request());
        let metadata = metadata.map_err(|error| failed(what(), error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic.as_str()) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            code if is_missing(code) => return Ok(None),
            Some(code) => return Err(failed(what(), KafkaError::MetadataFetch(code))),
        }
        let describe = |each: &rdkafka::metadata::MetadataPartition| PartitionDescription {
            partition: u32::try_from(each.id()).unwrap_or_default(),
            leader: Some(each.leader()).filter(|leader| *leader >= 0),
            replicas: each.replicas().to_vec(),
            in_sync: each.isr().to_vec(),
            oldest: 0,
            next: 0,
        };
        Ok(Some(found.partitions().iter().map(describe).collect()))
    })
    .await
}
