//! Starting the consumers of a topic: one a shard, each with its share of the partitions.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::core::Object;
use super::intake::{Intake, Source};
use super::metrics::ProcessMetrics;
use super::start::Starter;
use super::work::Work;
use crate::adapter::{Reach, StartAt};
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
        let shards = roles.shards(options);
        self.check_shards(&consumer, shards).await?;
        for shard in Shard::all(shards) {
            // Inside a process, an event is kept for those alone who have opened its topic before.
            let receiver = match self.core.hub.streamer.reach() {
                Reach::Process => Some(self.core.hub.streamer.open(topic, group, StartAt::Earliest).await?),
                Reach::Cluster => None,
            };
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
                signals: Arc::clone(&self.core.signals),
                source: Source::new(&self.core.hub, topic, group, shard, receiver),
            };
            self.spawn(group, shard, role, metrics, intake);
        }
        Ok(())
    }

    /// Refuses more shards than partitions. A stream that cannot be asked now is asked again by the owner of the role.
    async fn check_shards(&self, consumer: &TopicReader<'_>, shards: NonZeroU32) -> Result<(), Error> {
        let streamer = &self.core.hub.streamer;
        if streamer.reach() == Reach::Cluster && shards == NonZeroU32::MIN {
            return Ok(());
        }
        let TopicReader { group, topic, .. } = consumer;
        let partitions = match (streamer.partitions(topic).await, streamer.reach()) {
            (Ok(partitions), _) => partitions,
            (Err(error), Reach::Process) => return Err(error.into()),
            (Err(error), Reach::Cluster) => {
                tracing::warn!(topic = %topic, error = %super::with_causes(&error), "the partitions of a topic are not known yet");
                return Ok(());
            }
        };
        if shards <= partitions {
            return Ok(());
        }
        Err(Error::CannotRun {
            workflow: self.core.definition.name.clone(),
            reason: format!(
                "{group} has {shards} shards, but topic {topic} has {partitions} partitions: use at most so many shards",
            ),
        })
    }
}
