//! Who else is in the group, and whether the topic has grown.

use std::sync::Arc;

use workflow_core::GroupName;
use workflow_core::adapter::{BackendError, ErrorKind};

use super::Shared;
use crate::error::missing_topic;

/// The groups of one process: its own, and those that the Go library makes one of for each shard.
pub(super) struct Groups(Vec<(String, usize)>);

impl Groups {
    pub(super) async fn of<M>(shared: &Arc<Shared<M>>) -> Result<Self, BackendError> {
        let own = shared.group.as_str();
        let mut groups = shared.cluster.groups(own.to_owned()).await?;
        groups.retain(|(name, _)| name == own || is_shard_of(own, name));
        Ok(Self(groups))
    }

    /// The group has no members of ours: whoever is one reads the same events.
    pub(super) fn refuse_strangers(&self, own: &GroupName) -> Result<(), BackendError> {
        match self.0.iter().find(|(_, members)| *members > 0) {
            None => Ok(()),
            Some((group, members)) => Err(strangers(own, group, *members)),
        }
    }

    /// The lowest offset that a group of the Go library has committed, of each partition.
    pub(super) async fn lowest_of_originals<M>(
        &self,
        shared: &Arc<Shared<M>>,
        partitions: Vec<u32>,
    ) -> Result<Vec<Option<u64>>, BackendError> {
        let mut lowest = vec![None; partitions.len()];
        for (name, _) in self.0.iter().filter(|(name, _)| name != shared.group.as_str()) {
            let found = shared.cluster.committed_by(name, &shared.topic, partitions.clone()).await?;
            for (lowest, found) in lowest.iter_mut().zip(found) {
                *lowest = match (*lowest, found) {
                    (Some(one), Some(other)) => Some(std::cmp::min::<u64>(one, other)),
                    (one, other) => one.or(other),
                };
            }
        }
        Ok(lowest)
    }
}

fn strangers(own: &GroupName, group: &str, members: usize) -> BackendError {
    let context = format!(
        "group {group} has {members} members that are not of this engine, and would do the work of {own} a second time: \
         stop the programs that joined it"
    );
    BackendError::new(ErrorKind::Transient, context)
}

/// A commit was refused because the group has members.
pub(super) fn has_members(own: &GroupName) -> BackendError {
    strangers(own, own.as_str(), 1)
}

/// `{group}-{i}-of-{n}`
fn is_shard_of(group: &str, name: &str) -> bool {
    let Some(shard) = name.strip_prefix(group).and_then(|rest| rest.strip_prefix('-')) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    shard.split_once("-of-").is_some_and(|(number, of)| is_number(number) && is_number(of))
}

/// Why every receiver has to begin again.
pub(super) enum Change {
    /// A stranger has joined, or the topic is gone.
    Void(BackendError),
    /// There are partitions that nobody reads.
    Grown(BackendError),
}

/// Looks at the group and the topic once more; `partitions` is how many there were.
pub(super) async fn look<M>(
    shared: &Arc<Shared<M>>,
    partitions: Option<u32>,
) -> Result<Option<Change>, BackendError> {
    let topic = &shared.topic;
    match (shared.cluster.partitions(topic).await?, partitions) {
        (None, _) => return Ok(Some(Change::Void(missing_topic(topic, shared.cluster.config.partitions)))),
        (Some(now), Some(before)) if now > before => {
            let context =
                format!("topic {topic} has grown from {before} to {now} partitions: its readers begin again");
            return Ok(Some(Change::Grown(BackendError::new(ErrorKind::Transient, context))));
        }
        (Some(_), _) => {}
    }
    let strangers = Groups::of(shared).await?.refuse_strangers(&shared.group);
    Ok(strangers.err().map(Change::Void))
}

#[cfg(test)]
mod tests {
    use super::is_shard_of;

    #[test]
    fn only_groups_of_shards_are_the_librarys() {
        for name in ["orders-1-consumer-1-of-1", "orders-1-consumer-12-of-30"] {
            assert!(is_shard_of("orders-1-consumer", name), "{name}");
        }
        for name in [
            "orders-1-consumer",
            "orders-1-consumer-x",
            "orders-1-consumer-1-of-",
            "orders-1-consumer-a-of-3",
        ] {
            assert!(!is_shard_of("orders-1-consumer", name), "{name}");
        }
    }
}
