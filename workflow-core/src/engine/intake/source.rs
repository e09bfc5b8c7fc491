//! Where a consumer's events come from: its share of a topic's partitions, for as long as it owns its role.

use std::sync::Arc;
use std::time::Duration;

use crate::adapter::{BackendError, DynReceiver, ErrorKind, Generation, Reach, StartAt};
use crate::engine::hub::Hub;
use crate::{Epoch, GroupName, Shard, Topic};

/// How often a topic is asked for its partitions: it may have grown, or been made anew.
const PARTITIONS_EVERY: Duration = Duration::from_secs(60);

/// One shard's view of a topic.
pub(crate) struct Source {
    hub: Arc<Hub>,
    topic: Topic,
    group: GroupName,
    shard: Shard,
    /// Open while the role is owned; inside a process, for as long as the workflow runs.
    receiver: Option<Box<dyn DynReceiver>>,
    generation: u64,
}

/// A stretch of events from some partitions.
pub(super) struct Opened {
    pub(super) generation: Generation,
    /// How many partitions the topic has.
    pub(super) partitions: u32,
}

impl Source {
    pub(crate) fn new(
        hub: &Arc<Hub>,
        topic: &Topic,
        group: &GroupName,
        shard: Shard,
        receiver: Option<Box<dyn DynReceiver>>,
    ) -> Self {
        let (hub, topic, group) = (Arc::clone(hub), topic.clone(), group.clone());
        Self { hub, topic, group, shard, receiver, generation: 0 }
    }

    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Takes over the shard's partitions, those that were added meanwhile too.
    pub(super) async fn open(&mut self, epoch: Epoch) -> Result<Opened, BackendError> {
        let partitions = self.hub.streamer.partitions(&self.topic).await?.get();
        let own: Vec<u32> = (0..partitions).filter(|number| self.shard.has_partition(*number)).collect();
        if own.is_empty() {
            let context = format!(
                "{} has none of the {partitions} partitions of topic {}: use at most so many shards, or give the topic more partitions",
                self.group.role(self.shard),
                self.topic,
            );
            return Err(BackendError::new(ErrorKind::Permanent, context));
        }
        // It rises with each assignment, also with those under one epoch.
        self.generation = epoch.get().max(self.generation + 1);
        let generation = Generation(self.generation);
        self.receiver().await?.assign(own, generation).await?;
        Ok(Opened { generation, partitions })
    }

    /// The receiver; opened if it is not.
    pub(super) async fn receiver(&mut self) -> Result<&mut dyn DynReceiver, BackendError> {
        if self.receiver.is_none() {
            let receiver = self.hub.streamer.open(&self.topic, &self.group, StartAt::Earliest).await?;
            self.receiver = Some(receiver);
        }
        Ok(&mut **self.receiver.as_mut().expect("it was opened just now, if it was not before"))
    }

    /// Gives the partitions back.
    pub(super) async fn close(&mut self) -> Result<(), BackendError> {
        let released = match &mut self.receiver {
            Some(receiver) => receiver.release().await,
            None => Ok(()),
        };
        if self.hub.streamer.reach() == Reach::Cluster {
            self.receiver = None;
        }
        released
    }

    /// Gives the partitions back after the work was dropped in the middle.
    pub(crate) async fn give_up(&mut self) {
        if let Err(error) = self.close().await {
            tracing::warn!(topic = %self.topic, error = %crate::engine::with_causes(&error), "partitions could not be given back");
        }
    }

    /// Ends when the topic has another number of partitions than it had. Within a process it never has.
    pub(super) fn grown(&self, partitions: u32) -> impl Future<Output = ()> + Send + use<> {
        let (hub, topic) = (Arc::clone(&self.hub), self.topic.clone());
        async move {
            if hub.streamer.reach() == Reach::Process {
                return std::future::pending().await;
            }
            loop {
                hub.clock.sleep(PARTITIONS_EVERY).await;
                match hub.streamer.partitions(&topic).await {
                    Ok(now) if now.get() != partitions => return,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(topic = %topic, error = %crate::engine::with_causes(&error), "partitions cannot be asked for");
                    }
                }
            }
        }
    }
}
