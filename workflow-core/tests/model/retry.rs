//! Back-off: its limits, its jitter and its cap.

use std::time::Duration;

use proptest::prelude::*;
use workflow_core::RetryPolicy;

#[test]
fn ceilings_double_up_to_the_cap() {
    let policy = RetryPolicy { base: Duration::from_millis(100), cap: Duration::from_secs(1) };
    let ceilings = [100, 200, 400, 800, 1_000, 1_000].map(Duration::from_millis);
    for (attempt, ceiling) in (1..).zip(ceilings) {
        assert_eq!(policy.ceiling(attempt), ceiling);
    }
    assert_eq!(policy.ceiling(u32::MAX), policy.cap);
    assert_eq!(policy.ceiling(0), policy.base, "attempts are counted from 1; 0 is taken for the first");
}

#[test]
fn the_default_is_a_second_doubling_up_to_five_minutes() {
    let seconds: Vec<u64> =
        (1..=10).map(|attempt| RetryPolicy::default().ceiling(attempt).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
}

#[test]
fn the_delay_spreads_from_nothing_to_the_ceiling() {
    let policy = RetryPolicy::DEFAULT;
    assert_eq!(policy.delay(4, 0.0), Duration::ZERO);
    assert_eq!(policy.delay(4, 0.25), Duration::from_secs(2));
    assert_eq!(policy.delay(4, 1.0), Duration::from_secs(8));
}

#[test]
fn extreme_policies_and_numbers_do_not_panic() {
    let endless = RetryPolicy { base: Duration::MAX, cap: Duration::MAX };
    assert_eq!(endless.delay(7, 1.0), Duration::MAX);
    assert_eq!(endless.ceiling(u32::MAX), Duration::MAX);
    assert_eq!(RetryPolicy::DEFAULT.delay(1, -1.0), Duration::ZERO);
    assert_eq!(RetryPolicy::DEFAULT.delay(1, 7.0), Duration::from_secs(1));
    assert_eq!(RetryPolicy::DEFAULT.delay(1, f64::NAN), Duration::from_secs(1));
}

proptest! {
    #[test]
    fn a_delay_is_between_nothing_and_its_ceiling_and_the_cap(
        base in 0..u64::MAX, cap in 0..u64::MAX, attempt: u32, random in 0.0..=1.0_f64,
    ) {
        let policy = RetryPolicy { base: Duration::from_micros(base), cap: Duration::from_micros(cap) };
        let delay = policy.delay(attempt, random);
        prop_assert!(delay <= policy.ceiling(attempt) && policy.ceiling(attempt) <= policy.cap);
    }

    #[test]
    fn more_attempts_never_wait_less(base in 1..u64::MAX, attempt in 1..u32::MAX, random in 0.0..1.0_f64) {
        let policy = RetryPolicy { base: Duration::from_micros(base), cap: Duration::from_secs(300) };
        prop_assert!(policy.ceiling(attempt) <= policy.ceiling(attempt + 1));
        prop_assert!(policy.delay(attempt, random) <= policy.delay(attempt + 1, random));
    }
}
