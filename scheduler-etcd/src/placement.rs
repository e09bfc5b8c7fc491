//! Which instance is to have which role.
//!
//! Rendezvous hashing: each pair of role and instance has a number, and the instance with the highest has the role. When an
//! instance comes, it takes from each of the others its share and nothing else moves; when one goes, its roles are spread
//! over those that stay.

/// The instance that is to have the role, of those that want it.
pub(crate) fn preferred<'a>(role: &str, instances: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    instances.into_iter().max_by_key(|instance| (weight(role, instance), *instance))
}

/// The number of a pair, the same in every process and version.
fn weight(role: &str, instance: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = role.bytes().chain([0]).chain(instance.bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    // FNV alone leaves names that differ in their last letter close to each other.
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn roles(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("orders-{number}-consumer-1-of-1")).collect()
    }

    fn instances() -> impl Strategy<Value = Vec<String>> {
        prop::collection::btree_set("[a-f0-9]{8}", 2..12).prop_map(|set| set.into_iter().collect())
    }

    fn owner<'a>(role: &str, instances: &'a [String]) -> &'a str {
        preferred(role, instances.iter().map(String::as_str)).unwrap()
    }

    proptest! {
        #[test]
        fn only_the_roles_of_an_instance_that_went_move(instances in instances(), gone in any::<prop::sample::Index>()) {
            let gone = gone.index(instances.len());
            let mut rest = instances.clone();
            rest.remove(gone);
            for role in roles(100) {
                let before = owner(&role, &instances);
                if before != instances[gone] {
                    prop_assert_eq!(owner(&role, &rest), before);
                }
            }
        }

        #[test]
        fn the_order_in_which_instances_are_seen_is_nothing(instances in instances()) {
            let reversed: Vec<String> = instances.iter().rev().cloned().collect();
            for role in roles(20) {
                prop_assert_eq!(owner(&role, &instances), owner(&role, &reversed));
            }
        }

        #[test]
        fn roles_are_balanced(instances in instances()) {
            const ROLES: usize = 2400;
            let mut counts = BTreeMap::new();
            for role in roles(ROLES) {
                *counts.entry(owner(&role, &instances).to_owned()).or_insert(0_usize) += 1;
            }
            let mean = ROLES / instances.len();
            for instance in &instances {
                let count = counts.get(instance).copied().unwrap_or_default();
                // Five standard deviations of a fair draw are under half of the mean here.
                prop_assert!(count > mean / 2 && count < mean + mean / 2, "{} of {}", count, mean);
            }
        }
    }

    #[test]
    fn the_numbers_are_the_same_in_every_version() {
        assert_eq!(preferred("r", []), None);
        let owners: Vec<&str> =
            roles(8).iter().map(|role| preferred(role, ["a", "b", "c"]).unwrap()).collect();
        assert_eq!(owners.join(""), GOLDEN);
    }

    const GOLDEN: &str = "GOLDEN";
}
