//! The division of partitions among the shards of a process.

use std::num::NonZeroU32;

use proptest::prelude::*;
use workflow_core::Shard;

fn shards(of: u32) -> Vec<Shard> {
    Shard::all(NonZeroU32::new(of).unwrap()).collect()
}

#[test]
fn shards_are_numbered_from_one() {
    let names: Vec<String> = shards(3).iter().map(Shard::to_string).collect();
    assert_eq!(names, ["1-of-3", "2-of-3", "3-of-3"]);
    assert_eq!(shards(1), [Shard::WHOLE]);
}

#[test]
fn a_partition_is_that_of_the_shard_at_its_remainder() {
    let owned: Vec<Vec<u32>> = shards(3)
        .iter()
        .map(|shard| (0..16).filter(|partition| shard.has_partition(*partition)).collect())
        .collect();
    assert_eq!(owned[0], [0, 3, 6, 9, 12, 15]);
    assert_eq!(owned[1], [1, 4, 7, 10, 13]);
    assert_eq!(owned[2], [2, 5, 8, 11, 14]);
}

proptest! {
    #[test]
    fn each_partition_is_of_exactly_one_shard(of in 1..200_u32, partition: u32) {
        let owners = shards(of).into_iter().filter(|shard| shard.has_partition(partition)).count();
        prop_assert_eq!(owners, 1);
    }

    #[test]
    fn shares_differ_by_one_partition_at_most(of in 1..40_u32, partitions in 1..200_u32) {
        let share = |shard: Shard| (0..partitions).filter(|partition| shard.has_partition(*partition)).count();
        let shares: Vec<usize> = shards(of).into_iter().map(share).collect();
        prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
    }
}
