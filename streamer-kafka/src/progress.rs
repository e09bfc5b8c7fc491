//! Whether a group has come past an instant: what is older and looks lost is not merely waiting then.

use std::sync::Arc;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use workflow_core::adapter::{BackendError, StartAt};
use workflow_core::{GroupName, Timestamp, Topic};

use crate::client::{Context, Kept};
use crate::cluster::{Cluster, blocking, committed, number};
use crate::error::failed;

/// Whether everything that was published on a topic before an instant is settled by a group; by a client that lives only for
/// this question.
pub(crate) async fn has_settled(
    cluster: &Arc<Cluster>,
    topic: &Topic,
    group: &GroupName,
    until: Timestamp,
) -> Result<bool, BackendError> {
    let Some(count) = cluster.partitions(topic).await? else { return Ok(true) };
    let partitions: Vec<u32> = (0..count).collect();
    let ends = cluster.ends(topic, partitions.clone()).await?;
    let (this, topic, group) = (Arc::clone(cluster), topic.clone(), group.clone());
    blocking("the progress of a group", move || {
        let config = this.config.consumer(group.as_str(), StartAt::Earliest);
        let made = BaseConsumer::from_config_and_context(&config, Context(Arc::clone(&this.clients)));
        let made =
            made.map_err(|error| failed(format!("a client for group {group} cannot be made"), error))?;
        let consumer = Kept::new(made, &this.clients);
        let positions = committed(&*consumer, group.as_str(), &topic, &partitions, this.config.request())?;
        let firsts = first_since(&consumer, &topic, &partitions, until, &this)?;
        Ok(positions.iter().zip(firsts).zip(ends).all(|((position, first), (oldest, next))| {
            // Without a message since then, all that there are have to be settled.
            position.unwrap_or(oldest).max(oldest) >= first.unwrap_or(next)
        }))
    })
    .await
}

/// The offset of the first message since an instant, in each partition that has one.
fn first_since(
    consumer: &BaseConsumer<Context>,
    topic: &Topic,
    partitions: &[u32],
    since: Timestamp,
    cluster: &Cluster,
) -> Result<Vec<Option<u64>>, BackendError> {
    let what = || format!("the messages of topic {topic} cannot be found by their time");
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        let at = Offset::Offset(since.as_millis());
        asked
            .add_partition_offset(topic.as_str(), number(*partition), at)
            .map_err(|error| failed(what(), error))?;
    }
    let found = consumer.offsets_for_times(asked, cluster.config.request());
    let found = found.map_err(|error| failed(what(), error))?;
    let first = |partition: &u32| match found.find_partition(topic.as_str(), number(*partition))?.offset() {
        Offset::Offset(at) => u64::try_from(at).ok(),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    };
    Ok(partitions.iter().map(first).collect())
}
