//! A process of the tests that owns a role, to be stopped and killed.
//!
//! `scheduler-etcd-holder ENDPOINT NAMESPACE LEASE_SECONDS` claims one role and prints `owned EPOCH`. Each line that it reads is
//! a piece of work, for which it prints whether the role is still `held` or `lost`.

use std::io::{BufRead, Write};
use std::time::Duration;

use scheduler_etcd::{EtcdConfig, EtcdScheduler};
use workflow_core::adapter::{EpochClaim, RoleClaim, RoleScheduler};
use workflow_core::{GroupName, Namespace, Shard, WorkflowName};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [endpoint, namespace, seconds]: [String; 3] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "three arguments are needed")?;
    let config = EtcdConfig::new([endpoint])
        .namespace(Namespace::new(namespace)?)
        .lease_time(Duration::from_secs(seconds.parse()?));
    let scheduler = EtcdScheduler::connect(config).await?;
    let group = GroupName::of_deletions(&WorkflowName::new("held")?);
    let claim = RoleClaim { role: group.single_role(), group, shard: Shard::WHOLE };
    let lease = scheduler.claim(claim).await?;
    let EpochClaim::At(epoch) = lease.epoch else { return Err("etcd gives epochs".into()) };
    say(&format!("owned {epoch}"))?;
    tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        for line in std::io::stdin().lock().lines() {
            line?;
            let held = scheduler.is_held() && !lease.lost.is_cancelled();
            say(if held { "held" } else { "lost" })?;
        }
        Ok(())
    })
    .await??;
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
