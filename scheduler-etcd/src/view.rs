//! What etcd says about a namespace: who lives, who wants what, and who owns what. Pure: nothing here asks etcd.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use workflow_core::RoleName;

use crate::epochs;
use crate::keys::{Key, Keys};
use crate::placement;

/// A role that an instance wants, as it is published.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Want {
    /// The group, as a part of a key.
    pub(crate) group: String,
    pub(crate) shards: u32,
    pub(crate) role: String,
}

/// A live process, as it is published under its lease.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) name: String,
    /// The revision at which the process was first seen; none in its first registration, which is it.
    pub(crate) born: Option<i64>,
    pub(crate) wants: BTreeSet<Want>,
}

/// An owner, as it is published under its lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) instance: String,
    pub(crate) name: String,
    /// When the role was claimed, in milliseconds since 1970, by the owner's clock; for people only.
    pub(crate) since_ms: u64,
}

/// The owner's key: where it is, and which lease and revision hold it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owned {
    pub(crate) group: String,
    pub(crate) shards: u32,
    pub(crate) owner: Owner,
    pub(crate) epoch: i64,
    pub(crate) lease: i64,
}

/// One key as etcd has it.
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a [u8],
    pub(crate) create_revision: i64,
    pub(crate) lease: i64,
}

/// A picture of the namespace at one revision.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) revision: i64,
    /// What epochs are counted from.
    pub(crate) epoch_base: u64,
    instances: HashMap<String, Instance>,
    owners: HashMap<RoleName, Owned>,
}

impl View {
    /// An empty picture at a revision, to be filled by `put`.
    pub(crate) fn at(revision: i64) -> Self {
        Self { revision, ..Self::default() }
    }

    /// A key was written. What cannot be read is from a later version of this crate and is passed over.
    pub(crate) fn put(&mut self, keys: &Keys, entry: &Entry<'_>) {
        match keys.parse(entry.key) {
            Some(Key::Instance(id)) => {
                if let Ok(mut instance) = serde_json::from_slice::<Instance>(entry.value) {
                    instance.born = instance.born.or(Some(entry.create_revision));
                    self.instances.insert(id.to_owned(), instance);
                }
            }
            Some(Key::Owner { group, shards, role }) => {
                let owner = serde_json::from_slice(entry.value).unwrap_or_else(|_| Owner {
                    instance: String::new(),
                    name: "unknown".to_owned(),
                    since_ms: 0,
                });
                let (epoch, lease) = (entry.create_revision, entry.lease);
                self.owners.insert(role, Owned { group: group.to_owned(), shards, owner, epoch, lease });
            }
            None if entry.key == keys.epochs() => {
                self.epoch_base = epochs::read(entry.value).unwrap_or_default();
            }
            None => {}
        }
    }

    /// A key was deleted.
    pub(crate) fn delete(&mut self, keys: &Keys, key: &str) {
        match keys.parse(key) {
            Some(Key::Instance(id)) => drop(self.instances.remove(id)),
            // A role that is owned under two counts at once cannot be; the entry is of the key only if the count is too.
            Some(Key::Owner { shards, role, .. })
                if self.owners.get(&role).is_some_and(|owned| owned.shards == shards) =>
            {
                self.owners.remove(&role);
            }
            Some(Key::Owner { .. }) | None => {}
        }
    }

    /// What an instance says of itself counts before what etcd has heard of it.
    pub(crate) fn set_instance(&mut self, id: &str, instance: Instance) {
        self.instances.insert(id.to_owned(), instance);
    }

    pub(crate) fn instances(&self) -> impl Iterator<Item = (&str, &Instance)> {
        self.instances.iter().map(|(id, instance)| (id.as_str(), instance))
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = (&RoleName, &Owned)> {
        self.owners.iter()
    }

    pub(crate) fn owner(&self, role: &RoleName) -> Option<&Owned> {
        self.owners.get(role)
    }

    /// Whether nobody owns the role, and no role of its group under another shard count is owned.
    pub(crate) fn is_free(&self, want: &Want) -> bool {
        !self.owners.contains_key(&RoleName::new(want.role.as_str()))
            && self.owners.values().all(|owned| owned.group != want.group || owned.shards == want.shards)
    }

    /// The instance that is to have the role, of those that want it under this shard count.
    pub(crate) fn preferred(&self, want: &Want) -> Option<&str> {
        let candidates = || self.instances().filter(|(_, instance)| instance.wants.contains(want));
        placement::preferred(&want.role, candidates().map(|(id, _)| id))
    }

    /// The shard count that counts for each group: that of the newest process that works for it.
    pub(crate) fn shard_counts(&self) -> BTreeMap<&str, u32> {
        let mut newest: BTreeMap<&str, (i64, &str, u32)> = BTreeMap::new();
        for (id, instance) in self.instances() {
            // One that has not registered yet will be the newest.
            let born = instance.born.unwrap_or(i64::MAX);
            for want in &instance.wants {
                let found = (born, id, want.shards);
                let newest = newest.entry(want.group.as_str()).or_insert(found);
                *newest = found.max(*newest);
            }
        }
        newest.into_iter().map(|(group, (.., shards))| (group, shards)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(role: &str, shards: u32) -> Want {
        Want { group: "g".to_owned(), shards, role: role.to_owned() }
    }

    fn view(instances: &[(&str, Option<i64>, &[Want])]) -> View {
        let mut view = View::at(1);
        for (id, born, wants) in instances {
            let wants = wants.iter().cloned().collect();
            view.set_instance(id, Instance { name: (*id).to_owned(), born: *born, wants });
        }
        view
    }

    #[test]
    fn only_those_who_want_a_role_are_asked() {
        let (r, s) = (want("r", 1), want("s", 1));
        let view =
            view(&[("a", Some(1), std::slice::from_ref(&r)), ("b", Some(2), std::slice::from_ref(&s))]);
        assert_eq!((view.preferred(&r), view.preferred(&s)), (Some("a"), Some("b")));
        assert_eq!(view.preferred(&want("t", 1)), None);
    }

    #[test]
    fn the_newest_process_says_how_many_shards_there_are() {
        let (two, three) = (want("r", 2), want("r", 3));
        let old_and_new =
            view(&[("z", Some(1), std::slice::from_ref(&two)), ("a", Some(2), std::slice::from_ref(&three))]);
        assert_eq!(old_and_new.shard_counts()["g"], 3);
        let fresh =
            view(&[("z", None, std::slice::from_ref(&two)), ("a", Some(2), std::slice::from_ref(&three))]);
        assert_eq!(fresh.shard_counts()["g"], 2);
    }

    #[test]
    fn a_role_is_not_free_while_another_count_is_owned() {
        let keys = Keys::new(&workflow_core::Namespace::NONE);
        let mut view = View::at(1);
        let key = keys.owner("g", 2, &RoleName::new("g-1-of-2"));
        view.put(&keys, &Entry { key: &key, value: b"{}", create_revision: 7, lease: 1 });
        assert!(!view.is_free(&want("g-1-of-2", 2)) && !view.is_free(&want("g-1-of-3", 3)));
        assert!(view.is_free(&want("g-2-of-2", 2)));
        view.delete(&keys, &key);
        assert!(view.is_free(&want("g-1-of-3", 3)));
    }
}
