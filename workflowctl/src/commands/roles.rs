//! `roles`: who owns what.

use std::time::UNIX_EPOCH;

use scheduler_etcd::{EtcdObserver, OwnedRole};
use serde::Serialize;
use store_sql::maintenance::Maintenance;
use workflow_core::{Epoch, GroupName, Namespace, RoleName, Timestamp};

use super::Answer;
use crate::args::{Global, RolesArgs};
use crate::failure::Failure;
use crate::output::{Column, Output, of, table};
use crate::servers;
use crate::settings::Settings;

/// Roles, and who lives.
#[derive(Serialize)]
struct Roles {
    /// `etcd`, or `database`, which knows no owners.
    source: &'static str,
    roles: Vec<Role>,
    instances: Vec<Instance>,
}

/// A role.
#[derive(Serialize)]
struct Role {
    role: String,
    epoch: u64,
    shards: Option<u32>,
    owner: Option<String>,
    instance: Option<String>,
    since: Option<String>,
}

/// A live process.
#[derive(Serialize)]
struct Instance {
    instance: String,
    name: String,
    owned_roles: usize,
    wanted_roles: usize,
}

pub(crate) async fn run(args: &RolesArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    let mut roles = match servers::etcd(global, &args.etcd, args.namespace.as_ref())? {
        Some(config) => of_etcd(&EtcdObserver::connect(config).await?).await?,
        None => {
            let maintenance = Maintenance::of(&Settings::resolve(global)?.connect().await?);
            let found = maintenance.role_epochs().await?;
            let roles = found.into_iter().map(|(role, epoch)| Role::unowned(&role, epoch)).collect();
            Roles { source: "database", roles, instances: Vec::new() }
        }
    };
    if let Some(workflow) = &args.workflow {
        let any = GroupName::of_outbox(workflow);
        let prefix = any.as_str().strip_suffix("outbox-consumer").unwrap_or_default();
        let space = args.namespace.as_ref().filter(|space| **space != Namespace::NONE);
        let space = space.map(|space| format!("{space}.")).unwrap_or_default();
        roles.roles.retain(|role| role.role.strip_prefix(&space).unwrap_or(&role.role).starts_with(prefix));
    }
    output.show(&roles, human)?;
    Ok(Answer::Done)
}

async fn of_etcd(observer: &EtcdObserver) -> Result<Roles, Failure> {
    let (owned, live) = (observer.roles().await?, observer.instances().await?);
    let instances = live.into_iter().map(|live| Instance {
        owned_roles: owned.iter().filter(|role| role.instance == live.instance).count(),
        instance: live.instance,
        name: live.name,
        wanted_roles: live.wanted_roles,
    });
    let instances = instances.collect();
    Ok(Roles { source: "etcd", roles: owned.iter().map(Role::owned).collect(), instances })
}

impl Role {
    fn owned(owned: &OwnedRole) -> Self {
        let since = owned.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let since = Timestamp::from_millis(i64::try_from(since).unwrap_or(i64::MAX));
        Self {
            shards: Some(owned.shards),
            owner: Some(owned.instance_name.clone()),
            instance: Some(owned.instance.clone()),
            since: Some(since.to_string()),
            ..Self::unowned(&owned.role, owned.epoch)
        }
    }

    fn unowned(role: &RoleName, epoch: Epoch) -> Self {
        let role = role.as_str().to_owned();
        Self { role, epoch: epoch.get(), shards: None, owner: None, instance: None, since: None }
    }
}

fn human(found: &Roles) -> String {
    let columns =
        [Column::Text("ROLE"), Column::Number("EPOCH"), Column::Text("OWNER"), Column::Text("SINCE")];
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |role: &Role| {
        vec![role.role.clone(), role.epoch.to_string(), or_none(&role.owner), or_none(&role.since)]
    };
    let roles = table(&columns, &found.roles.iter().map(row).collect::<Vec<_>>());
    if found.source == "database" {
        return format!("{roles}\nepochs of the database; owners are known to etcd: name it by --etcd\n");
    }
    let columns = [Column::Text("INSTANCE"), Column::Number("OWNS"), Column::Number("WANTS")];
    let row =
        |one: &Instance| vec![one.name.clone(), one.owned_roles.to_string(), one.wanted_roles.to_string()];
    let instances = table(&columns, &found.instances.iter().map(row).collect::<Vec<_>>());
    let count = of(found.roles.len() as u64, "role is owned", "roles are owned");
    format!("{roles}\n{instances}\n{count}\n")
}
