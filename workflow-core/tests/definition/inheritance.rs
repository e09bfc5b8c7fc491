//! Options: what is not said is inherited, what is said goes before, whatever was said in between.

use std::time::Duration;

use proptest::prelude::*;
use workflow_core::{Options, RetryPolicy};

/// Sets one option to its first or its second value.
type Set = fn(Options, bool) -> Options;

fn pick<V>(first: bool, one: V, other: V) -> V {
    if first { one } else { other }
}

fn seconds(first: bool) -> Duration {
    Duration::from_secs(pick(first, 3, 7))
}

/// Every option there is.
const ALL: [Set; 11] = [
    |options, first| options.shards(pick(first, 2, 3)),
    |options, first| options.poll_every(seconds(first)),
    |options, first| options.retry(RetryPolicy { base: seconds(first), cap: Duration::from_secs(60) }),
    |options, first| options.in_place_retries(pick(first, 0, 5)),
    |options, first| options.pause_after(pick(first, 4, 9)),
    |options, first| if first { options.never_pause() } else { options.pause_after(9) },
    |options, first| options.attempt_timeout(seconds(first)),
    |options, first| options.in_flight(pick(first, 10, 20)),
    |options, first| options.consume_lag(seconds(first)),
    |options, first| options.lag_alert(seconds(first)),
    |options, first| options.cancel_grace(seconds(first)),
];

#[test]
fn each_option_is_the_own_one_else_the_inherited_one_else_unset() {
    for (number, set) in ALL.into_iter().enumerate() {
        let (own, parent) = (set(Options::new(), true), set(Options::new(), false));
        assert_ne!(own, parent, "option {number} has two values");
        assert_ne!(own, Options::new(), "option {number} can be unset");
        assert_eq!(own.clone().inherit(&parent), own, "option {number}: own before inherited");
        assert_eq!(own.clone().inherit(&Options::new()), own, "option {number}: own alone");
        assert_eq!(Options::new().inherit(&parent), parent, "option {number}: inherited");
    }
    assert_eq!(Options::new().inherit(&Options::new()), Options::new());
}

/// Options with those set that the mask says.
fn options(mask: u16, first: bool) -> Options {
    let set = ALL.iter().enumerate().filter(|(number, _)| mask & (1 << number) != 0);
    set.fold(Options::new(), |options, (_, set)| set(options, first))
}

/// The masks set `pause_after` by two of the options: both are one.
fn whole(mask: u16) -> u16 {
    if mask & 0b11_0000 == 0 { mask } else { mask | 0b11_0000 }
}

proptest! {
    #[test]
    fn each_option_is_inherited_whatever_the_others_are(own in 0..2048_u16, parent in 0..2048_u16) {
        let (own, parent) = (whole(own), whole(parent));
        let mut expected = options(parent & !own, false);
        for (_, set) in ALL.iter().enumerate().filter(|(number, _)| own & (1 << number) != 0) {
            expected = set(expected, true);
        }
        prop_assert_eq!(options(own, true).inherit(&options(parent, false)), expected);
    }

    #[test]
    fn it_does_not_matter_who_inherits_first(one in 0..2048_u16, two in 0..2048_u16, three in 0..2048_u16) {
        let (one, two, three) = (options(one, true), options(two, false), options(three, true));
        let left = one.clone().inherit(&two).inherit(&three);
        prop_assert_eq!(left, one.inherit(&two.inherit(&three)));
    }
}
