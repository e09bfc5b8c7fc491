//! What the keys in etcd are called.

use workflow_core::{GroupName, Namespace, RoleName};

/// The keys of one namespace, all under `{namespace.}workflow/`:
///
/// * `database`: the id of the database that the namespace belongs to
/// * `epochs`: the number from which epochs are counted
/// * `instance/{id}`: a live process and the roles that it wants, under its lease
/// * `owner/{group}/{shards}/{role}`: who owns a role, under its lease. With the shard count in the key, one range says
///   whether a role of the group is owned under another count.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    root: String,
}

/// What a key is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    Instance(&'a str),
    Owner { group: &'a str, shards: u32, role: RoleName },
}

impl Keys {
    pub(crate) fn new(namespace: &Namespace) -> Self {
        let dot = if *namespace == Namespace::NONE { "" } else { "." };
        Self { root: format!("{namespace}{dot}workflow/") }
    }

    /// What all keys begin with.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn database(&self) -> String {
        format!("{}database", self.root)
    }

    pub(crate) fn epochs(&self) -> String {
        format!("{}epochs", self.root)
    }

    pub(crate) fn instance(&self, id: &str) -> String {
        format!("{}instance/{id}", self.root)
    }

    pub(crate) fn owner(&self, group: &str, shards: u32, role: &RoleName) -> String {
        format!("{}owner/{group}/{shards:010}/{}", self.root, escaped(role.as_str()))
    }

    /// The ranges in which the owners of a group's roles are under every other shard count.
    pub(crate) fn other_counts(&self, group: &str, shards: u32) -> [(String, String); 2] {
        // `0` is the character that follows `/`.
        let group = format!("{}owner/{group}", self.root);
        [
            (format!("{group}/"), format!("{group}/{shards:010}/")),
            (format!("{group}/{shards:010}0"), format!("{group}0")),
        ]
    }

    /// What a key is about, if it is about an instance or an owner.
    pub(crate) fn parse<'a>(&self, key: &'a str) -> Option<Key<'a>> {
        let mut parts = key.strip_prefix(&self.root)?.split('/');
        let found = match (parts.next()?, parts.next()?) {
            ("instance", id) => Key::Instance(id),
            ("owner", group) => {
                let shards = parts.next()?.parse().ok()?;
                Key::Owner { group, shards, role: RoleName::new(unescaped(parts.next()?)) }
            }
            _ => return None,
        };
        parts.next().is_none().then_some(found)
    }
}

/// A group as a part of a key.
pub(crate) fn group_part(group: &GroupName) -> String {
    escaped(group.as_str())
}

/// A schedule's name has its cron spec in it, and so may have `/`.
fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

fn unescaped(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]
mod tests {
    use super::*;

    #[test]
    fn keys_begin_with_the_namespace_and_are_read_back() {
        let keys = Keys::new(&Namespace::new("shop").unwrap());
        let role = RoleName::new("o-x-scheduler-*/5_%2F_*");
        let key = keys.owner(&escaped("a/b"), 3, &role);
        assert_eq!(key, "shop.workflow/owner/a%2Fb/0000000003/o-x-scheduler-*%2F5_%252F_*");
        assert_eq!(keys.parse(&key), Some(Key::Owner { group: "a%2Fb", shards: 3, role }));
        assert_eq!(keys.parse("shop.workflow/instance/x"), Some(Key::Instance("x")));
        for other in ["shop.workflow/database", "workflow/instance/x", "shop.workflow/owner/a/b/c", "x"] {
            assert_eq!(keys.parse(other), None, "{other}");
        }
        assert_eq!(Keys::new(&Namespace::NONE).root(), "workflow/");
    }

    #[test]
    fn the_ranges_have_every_other_count_and_no_other_group() {
        let keys = Keys::new(&Namespace::NONE);
        let role = RoleName::new("r");
        let within = |group: &str, shards| {
            let key = keys.owner(group, shards, &role);
            keys.other_counts("g", 3).iter().any(|(from, to)| *from <= key && key < *to)
        };
        for other in [1, 2, 4, 30, u32::MAX] {
            assert!(within("g", other), "{other}");
        }
        assert!(!within("g", 3) && !within("g1", 2) && !within("f", 2) && !within("g-1", 4));
    }
}
