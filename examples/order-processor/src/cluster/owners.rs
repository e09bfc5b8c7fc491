//! Who owns which role.

use std::collections::BTreeMap;
use std::fmt;

use super::servers::Etcd;

/// Which instance owns which role; nothing if nobody could be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(Option<BTreeMap<String, String>>);

impl Owners {
    /// Asks etcd, if it was said where that is.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn of(etcd: &Etcd) -> anyhow::Result<Self> {
        Ok(Self(etcd.owners().await?))
    }

    /// The owner of each role.
    pub fn roles(&self) -> Option<&BTreeMap<String, String>> {
        self.0.as_ref()
    }
}

/// A table: the instances, and below each its roles.
impl fmt::Display for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(roles) = &self.0 else { return Ok(()) };
        let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (role, owner) in roles {
            owners.entry(owner).or_default().push(role);
        }
        writeln!(f, "\n{:<44} roles owned at the end", "instance")?;
        for (owner, roles) in owners {
            writeln!(f, "{owner:<44} {}", roles.len())?;
            for role in roles {
                writeln!(f, "  {role}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn roles_stand_below_their_owners() {
        let roles = [("orders-1-consumer-1-of-1", "worker-b"), ("orders-delete-consumer", "worker-a")];
        let roles = roles.map(|(role, owner)| (role.to_owned(), owner.to_owned()));
        let shown = Owners(Some(BTreeMap::from(roles))).to_string();
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        let places = ["worker-a", "  orders-delete-consumer", "worker-b", "  orders-1-consumer-1-of-1"];
        let at: Vec<usize> = places
            .iter()
            .map(|place| lines.iter().position(|line| line.starts_with(place)).unwrap())
            .collect();
        assert!(at.is_sorted(), "{shown}");
        assert_eq!(Owners::default().to_string(), "");
    }
}
