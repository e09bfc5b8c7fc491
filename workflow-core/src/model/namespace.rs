//! What every name of a store begins with, where several stores share brokers.

use std::fmt;
use std::sync::Arc;

use super::InvalidName;

/// The longest name of a namespace, in bytes: it is in front of every topic and role.
const NAMESPACE_BYTES_MAX: usize = 40;

/// The namespace of a store: every topic, group and role of it begins with `name.`, so that several databases can
/// share one Kafka cluster and one etcd. Without a name nothing is put in front, as in the Go library.
///
/// ```
/// use workflow_core::{Namespace, StatusCode, Topic, WorkflowName};
/// let orders = WorkflowName::new("orders").unwrap();
/// let topic = Topic::of_status(&orders, StatusCode::new(2).unwrap());
/// let shop = Namespace::new("shop-eu").unwrap();
/// assert_eq!(topic.clone().within(&shop).as_str(), "shop-eu.orders-2");
/// assert_eq!(topic.clone().within(&Namespace::NONE), topic);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Namespace(Option<Arc<str>>);

impl Namespace {
    /// No namespace: names are as they are.
    pub const NONE: Namespace = Namespace(None);

    /// A namespace of this name: 1 to 40 letters, digits, `_` or `-`.
    ///
    /// # Errors
    /// [`InvalidName`] if it is empty, longer, or has other characters.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidName> {
        let name = name.into();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let reason = if name.is_empty() {
            "it is empty: use `Namespace::NONE`".to_owned()
        } else if name.len() > NAMESPACE_BYTES_MAX {
            format!("it has {} bytes, {NAMESPACE_BYTES_MAX} are allowed", name.len())
        } else if let Some(found) = name.chars().find(|c| !legal(*c)) {
            format!("it has the character {found:?}; letters, digits, `_` and `-` are allowed")
        } else {
            return Ok(Self(Some(name)));
        };
        Err(InvalidName { what: "namespace", name: name.chars().take(40).collect(), reason })
    }

    /// A name of the store, as it is known to brokers and schedulers.
    pub(super) fn qualify(&self, name: Arc<str>) -> Arc<str> {
        match &self.0 {
            Some(namespace) => format!("{namespace}.{name}").into(),
            None => name,
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or_default())
    }
}
