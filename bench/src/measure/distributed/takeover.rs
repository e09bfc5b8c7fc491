//! How long the work of an instance stands still that is killed, or ends in order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use scheduler_etcd::{EtcdConfig, EtcdObserver};
use workflow::prelude::*;

use crate::load::{self, Keys, Order, Progress};
use crate::measure::{Extent, median, progress, threads};
use crate::report::Measured;
use crate::sql::Kind;
use crate::stack::{Process, Stack};

/// The time of a lease: the scheduler's own default.
const LEASE: Duration = Duration::from_secs(10);

/// How long roles may take to spread.
const SPREAD_MAX: Duration = Duration::from_secs(60);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// How often a run is looked at.
const LOOK_AT_RUN: Duration = Duration::from_millis(5);

/// How an instance ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    Asked,
}

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let (mut failed, mut handed) = (Vec::new(), Vec::new());
    for round in 1..=extent.repetitions() {
        let killed = threads()?.block_on(stands_still(End::Killed))?;
        let asked = threads()?.block_on(stands_still(End::Asked))?;
        progress(format!("round {round}: killed {:.2} s, ended in order {:.3} s", killed, asked));
        failed.push(killed);
        handed.push(asked);
    }
    Ok(vec![
        Measured::new("fail_over_seconds", median(failed), "s").at_most(LEASE.as_secs_f64() + 2.0),
        Measured::new("hand_over_seconds", median(handed), "s").at_most(1.0),
    ])
}

/// Seconds from the end of one of two workers until a run has taken all steps whose roles it had.
async fn stands_still(end: End) -> anyhow::Result<f64> {
    let stack = Stack::fresh(Kind::Postgres).await?;
    let relay = stack.relay("relay")?;
    let first = stack.worker("first", 0)?;
    let client = client(&stack).await?;
    through(&client, 0).await?;
    let second = stack.worker("second", 0)?;
    spread(&stack).await?;
    through(&client, 1).await?;
    let begun = Instant::now();
    match end {
        End::Killed => drop(first),
        End::Asked => first.ask_to_end()?,
    }
    through(&client, 2).await?;
    let took = begun.elapsed().as_secs_f64();
    for process in [second, relay] {
        Process::end(process)?;
    }
    Ok(took)
}

async fn client(stack: &Stack) -> anyhow::Result<Client<Order, Progress>> {
    let database = Database::connect(&stack.database.url()?).await?;
    database.ring_relays();
    let (ends, _) = tokio::sync::mpsc::unbounded_channel();
    Ok(load::workflow(load::NAME, ends)?.connect(database).await?)
}

/// Takes a run through all steps.
async fn through(client: &Client<Order, Progress>, number: u64) -> anyhow::Result<()> {
    let run = client.trigger(Keys::Rising.of(number), Order::new(number)).await?;
    // A client without an engine would look once a second, which is no measure of what takes less.
    while !client.get(&run).await?.run_state().is_finished() {
        tokio::time::sleep(LOOK_AT_RUN).await;
    }
    Ok(())
}

/// Waits until the roles of the steps are shared by two workers.
async fn spread(stack: &Stack) -> anyhow::Result<()> {
    let config = EtcdConfig::new(stack.endpoints.split(',')).namespace(stack.namespace()?);
    let observer = EtcdObserver::connect(config).await?;
    let begun = Instant::now();
    loop {
        let mut owned = BTreeMap::<String, usize>::new();
        for role in observer.roles().await? {
            *owned.entry(role.instance_name).or_default() += 1;
        }
        if owned.contains_key("first") && owned.contains_key("second") {
            return Ok(());
        }
        ensure!(begun.elapsed() < SPREAD_MAX, "the roles did not spread: {owned:?}");
        tokio::time::sleep(LOOK).await;
    }
}
