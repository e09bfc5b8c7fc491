//! Looking on, without a lease.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;
use workflow_core::{Epoch, RoleName};

use crate::config::EtcdConfig;
use crate::driver::read_view;
use crate::epochs;
use crate::error::EtcdError;
use crate::link::Link;
use crate::view::View;

/// A role and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedRole {
    /// The role.
    pub role: RoleName,
    /// How many shards its group is divided into.
    pub shards: u32,
    /// The id of the owner.
    pub instance: String,
    /// What people call the owner.
    pub instance_name: String,
    /// The owner's epoch.
    pub epoch: Epoch,
    /// Since when it is the owner, by the owner's clock.
    pub since: SystemTime,
}

/// A live process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveInstance {
    /// Its id.
    pub instance: String,
    /// What people call it.
    pub name: String,
    /// How many roles it wants, those that it owns among them.
    pub wanted_roles: usize,
}

/// A connection for operators' tools: it reads, writes nothing and has no lease.
///
/// ```no_run
/// use scheduler_etcd::{EtcdConfig, EtcdObserver};
/// # async fn example() -> Result<(), scheduler_etcd::EtcdError> {
/// let observer = EtcdObserver::connect(EtcdConfig::new(["http://127.0.0.1:2379"])).await?;
/// for owned in observer.roles().await? {
///     println!("{} {} {}", owned.role, owned.instance_name, owned.epoch);
/// }
/// # Ok(())
/// # }
/// ```
pub struct EtcdObserver {
    link: Link,
}

impl EtcdObserver {
    /// Connects to an endpoint that answers.
    ///
    /// # Errors
    /// [`EtcdError`] if the configuration has mistakes, no endpoint answers, or etcd refuses the user.
    pub async fn connect(config: EtcdConfig) -> Result<Self, EtcdError> {
        config.check()?;
        let link = Link::new(Arc::new(config));
        link.client().await?;
        Ok(Self { link })
    }

    /// Who owns which role of the namespace, by role.
    ///
    /// # Errors
    /// [`EtcdError`] if etcd does not answer.
    pub async fn roles(&self) -> Result<Vec<OwnedRole>, EtcdError> {
        let view = self.view().await?;
        let mut roles: Vec<OwnedRole> = view
            .owners()
            .map(|(role, owned)| OwnedRole {
                role: role.clone(),
                shards: owned.shards,
                instance: owned.owner.instance.clone(),
                instance_name: owned.owner.name.clone(),
                epoch: epochs::epoch(view.epoch_base, owned.epoch),
                since: UNIX_EPOCH + Duration::from_millis(owned.owner.since_ms),
            })
            .collect();
        roles.sort_by(|one, other| one.role.cmp(&other.role));
        Ok(roles)
    }

    /// The live processes of the namespace, by name.
    ///
    /// # Errors
    /// [`EtcdError`] if etcd does not answer.
    pub async fn instances(&self) -> Result<Vec<LiveInstance>, EtcdError> {
        let view = self.view().await?;
        let mut instances: Vec<LiveInstance> = view
            .instances()
            .map(|(id, instance)| LiveInstance {
                instance: id.to_owned(),
                name: instance.name.clone(),
                wanted_roles: instance.wants.len(),
            })
            .collect();
        instances.sort_by(|one, other| (&one.name, &one.instance).cmp(&(&other.name, &other.instance)));
        Ok(instances)
    }

    /// The id of the database that the namespace belongs to, once it is bound.
    ///
    /// # Errors
    /// [`EtcdError`] if etcd does not answer.
    pub async fn namespace_database(&self) -> Result<Option<Uuid>, EtcdError> {
        crate::binding::bound(&self.link).await
    }

    async fn view(&self) -> Result<View, EtcdError> {
        let client = self.link.client().await?;
        let view = read_view(&client, self.link.keys(), self.link.config().connect_timeout).await;
        if view.is_err() {
            self.link.is_broken();
        }
        view
    }
}

impl std::fmt::Debug for EtcdObserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EtcdObserver").field("config", self.link.config()).finish_non_exhaustive()
    }
}
