//! Changing the number of shards while processes run.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use workflow_core::Shard;
use workflow_core::adapter::RoleClaim;

use crate::support::{Onlooker, Worker, eventually, fresh, shard_claim};

fn claims(of: u32) -> Vec<RoleClaim> {
    Shard::all(NonZeroU32::new(of).unwrap()).map(|shard| shard_claim(1, shard)).collect()
}

/// The shard counts of the owned roles, which must never be two.
async fn counts(looking: &Onlooker) -> Vec<u32> {
    let counts: Vec<u32> = looking.roles().await.into_iter().map(|owned| owned.shards).collect();
    assert!(counts.iter().collect::<BTreeSet<_>>().len() <= 1, "a partition has two owners: {counts:?}");
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_change_of_the_shard_count_never_has_two_counts_at_once() {
    let config = fresh();
    let looking = Onlooker::new(&config).await;
    let old = [Worker::start(&config, claims(2)).await, Worker::start(&config, claims(2)).await];
    eventually("the old count works", async || counts(&looking).await == [2, 2]).await;
    let new = Worker::start(&config, claims(3)).await;
    eventually("the newest definition's count works", async || counts(&looking).await == [3, 3, 3]).await;
    let [one, other] = old;
    one.stop().await;
    assert_eq!(counts(&looking).await, [3, 3, 3]);
    new.stop().await;
    eventually("what is left goes on as before", async || counts(&looking).await == [2, 2]).await;
    other.stop().await;
}
