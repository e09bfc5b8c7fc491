//! Starting the consumers of a topic: one a shard, each with its share of the partitions.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::core::Object;
use super::intake::Intake;
use super::metrics::ProcessMetrics;
use super::start::Starter;
use super::work::Work;
use crate::adapter::StartAt;
use crate::definition::ProcessOptions;
use crate::{Error, GroupName, RoleName, Shard, Status, Topic};

/// Who consumes which topic, and how.
pub(super) struct TopicReader<'a> {
    pub(super) group: &'a GroupName,
    pub(super) topic: &'a Topic,
    pub(super) options: &'a ProcessOptions,
    pub(super) roles: Roles,
}

/// How a consumer's roles are called: steps have one a shard, everything else has one.
#[derive(Clone, Copy)]
pub(super) enum Roles {
    Sharded,
    Single,
}

impl Roles {
    fn shards(self, options: &ProcessOptions) -> NonZeroU32 {
        match self {
            Roles::Sharded => options.shards,
            Roles::Single => NonZeroU32::MIN,
        }
    }

    fn role(self, group: &GroupName, shard: Shard) -> RoleName {
        match self {
            Roles::Sharded => group.role(shard),
            Roles::Single => group.single_role(),
        }
    }
}

impl<T: Object, S: Status> Starter<T, S> {
    /// Starts a consumer; `work` makes what each of its shards does, with instruments of its own.
    pub(super) async fn consume<W: Work>(
        &self,
        consumer: TopicReader<'_>,
        work: impl Fn(Arc<ProcessMetrics>) -> Arc<W>,
    ) -> Result<(), Error> {
        let TopicReader { group, topic, options, roles } = consumer;
        let streamer = &self.core.hub.streamer;
        let partitions = streamer.partitions(topic).await?.get();
        let shards = roles.shards(options);
        if shards.get() > partitions {
            return Err(Error::CannotRun {
                workflow: self.core.definition.name.clone(),
                reason: format!(
                    "{group} has {shards} shards, but topic {topic} has {partitions} partitions: use at most so many shards",
                ),
            });
        }
        for shard in Shard::all(shards) {
            let receiver = streamer.open(topic, group, StartAt::Earliest).await?;
            let role = roles.role(group, shard);
            let metrics = self.role_metrics(&role, options);
            let intake = Intake {
                hub: Arc::clone(&self.core.hub),
                work: work(Arc::clone(&metrics)),
                options: options.clone(),
                process: group.as_str().into(),
                workflow: self.core.definition.name.clone(),
                metrics: Arc::clone(&metrics),
                totals: self.core.metrics.clone(),
                topic: topic.clone(),
                shard,
                receiver,
            };
            self.spawn(group, shard, role, metrics, intake);
        }
        Ok(())
    }
}
