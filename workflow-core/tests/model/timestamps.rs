//! Instants: arithmetic that ends at its limits, and their text.

use std::time::Duration;

use proptest::prelude::*;
use workflow_core::{Due, Timestamp};

#[test]
fn instants_are_written_in_utc_to_the_millisecond() {
    let texts = [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ];
    for (millis, text) in texts {
        assert_eq!(Timestamp::from_millis(millis).to_string(), text);
    }
}

#[test]
fn what_cannot_be_written_is_written_as_the_nearest_that_can() {
    assert!(Timestamp::from_millis(i64::MAX).to_string().starts_with("+262142-12-31"));
    assert!(Timestamp::from_millis(i64::MIN).to_string().starts_with("-262143-01-01"));
}

#[test]
fn arithmetic_ends_at_the_limits() {
    let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    assert_eq!(last + Duration::from_secs(1), last);
    assert_eq!(Timestamp::from_millis(0) + Duration::MAX, last);
    assert_eq!(first.before(Duration::MAX), first);
    assert_eq!(first.since(last), Duration::ZERO);
    assert_eq!(last.since(first), Duration::from_millis(i64::MAX as u64));
}

#[test]
fn a_delay_is_counted_from_now_and_an_instant_is_not() {
    let now = Timestamp::from_millis(5_000);
    assert_eq!(Due::In(Duration::from_secs(1)).resolve(now).as_millis(), 6_000);
    assert_eq!(Due::At(Timestamp::from_millis(1)).resolve(now).as_millis(), 1);
}

proptest! {
    #[test]
    fn adding_and_taking_away_meet_again(start in -1_000_000_000_000..4_000_000_000_000_i64, by in 0..1_000_000_000_000_u64) {
        let (start, by) = (Timestamp::from_millis(start), Duration::from_millis(by));
        prop_assert_eq!((start + by).before(by), start);
        prop_assert_eq!((start + by).since(start), by);
        prop_assert_eq!(Timestamp::from((start + by).to_datetime()), start + by);
    }

    #[test]
    fn order_is_that_of_the_text(one in 0..200_000_000_000_000_i64, other in 0..200_000_000_000_000_i64) {
        let (one, other) = (Timestamp::from_millis(one), Timestamp::from_millis(other));
        prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
    }
}
