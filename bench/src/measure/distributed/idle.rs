//! What a cluster costs that has nothing to do.

use std::time::{Duration, Instant};

use anyhow::Context;
use scheduler_etcd::{EtcdConfig, EtcdObserver};

use crate::measure::{Extent, progress, threads};
use crate::report::Measured;
use crate::sql::{Counter, Kind};
use crate::stack::{Process, Stack, requests_sent};

const WORKERS: usize = 3;

/// Workflows of three steps. Each has five roles, which the workers share: twenty for each of them.
const WORKFLOWS: u32 = 12;

/// How long it is looked at.
const SPAN: Duration = Duration::from_secs(30);

/// How long everything may take to come to rest.
const SETTLE: Duration = Duration::from_secs(20);

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    threads()?.block_on(cluster(extent.pick(2 * SPAN, SPAN)))
}

async fn cluster(span: Duration) -> anyhow::Result<Vec<Measured>> {
    let stack = Stack::fresh(Kind::Postgres).await?;
    let mut workers = Vec::new();
    for number in 1..=WORKERS {
        workers.push(stack.worker(&format!("worker-{number}"), WORKFLOWS)?);
    }
    let relays = [stack.relay("relay-1")?, stack.relay("relay-2")?];
    tokio::time::sleep(SETTLE).await;
    let config = EtcdConfig::new(stack.endpoints.split(',')).namespace(stack.namespace()?);
    let roles = EtcdObserver::connect(config).await?.roles().await?.len() as f64;
    let mut counter = Counter::new(&stack.database).await?;
    let all = || workers.iter().chain(&relays);
    let (begun, cpu, queries) = (Instant::now(), used(all())?, counter.queries().await?);
    let (broker, etcd) = (requests_sent(&stack.brokers)?, requests_sent(&stack.endpoints)?);
    progress(format!("{roles} roles at rest"));
    tokio::time::sleep(span).await;
    let seconds = begun.elapsed().as_secs_f64();
    let per_second = |before: Option<u64>, address: &str| -> anyhow::Result<Option<f64>> {
        let after = requests_sent(address)?;
        Ok(before.zip(after).map(|(before, after)| after.saturating_sub(before) as f64 / seconds))
    };
    let mut results = vec![
        Measured::new(
            "idle_cpu_percent_of_cluster",
            (used(all())? - cpu).as_secs_f64() / seconds * 100.0,
            "percent",
        )
        .at_most(4.0),
        Measured::new(
            "idle_sql_queries_per_second_of_cluster",
            (counter.queries().await? - queries) as f64 / seconds,
            "1/s",
        ),
        Measured::new("idle_roles_of_cluster", roles, "roles"),
    ];
    let servers = [("broker", broker, &stack.brokers), ("etcd", etcd, &stack.endpoints)];
    for (name, before, address) in servers {
        match per_second(before, address)? {
            Some(rate) => {
                results.push(Measured::new(
                    format!("idle_{name}_requests_per_second_of_cluster"),
                    rate,
                    "1/s",
                ));
            }
            None => progress("the tool ss (package iproute2) is missing: requests are not counted"),
        }
    }
    let memory = workers.iter().map(Process::resident_bytes).sum::<anyhow::Result<u64>>()? as f64;
    let threads = workers.iter().map(Process::threads).sum::<anyhow::Result<u64>>()? as f64;
    results.push(Measured::new("memory_mb_per_100_roles", memory / 1e6 / roles * 100.0, "MB"));
    results.push(Measured::new("threads_per_100_roles", threads / roles * 100.0, "threads"));
    for process in workers.into_iter().chain(relays) {
        process.end().context("a process of the cluster")?;
    }
    Ok(results)
}

fn used<'p>(processes: impl Iterator<Item = &'p Process>) -> anyhow::Result<Duration> {
    processes.map(Process::cpu_time).sum()
}
