//! Durations as connection strings have them.

use std::time::Duration;

/// Units of Go's durations in nanoseconds; longer names first where one begins with another.
const UNITS: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The longest duration that is taken: a day.
const MAX: Duration = Duration::from_secs(24 * 3600);

/// Reads `10s`, `1m30s` or `500ms`; `0` is none.
pub(super) fn go(text: &str) -> Result<Option<Duration>, String> {
    let wrong = || format!("{text:?} is no duration: write it as 10s, 1m30s or 500ms");
    if text == "0" {
        return Ok(None);
    }
    let (mut rest, mut nanos) = (text, 0_u128);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let (unit, size) = UNITS.iter().find(|(unit, _)| after.starts_with(unit)).ok_or_else(wrong)?;
        nanos += decimal(number, *size).ok_or_else(wrong)?;
        rest = &after[unit.len()..];
    }
    limited(text, Duration::from_nanos(u64::try_from(nanos).map_err(|_| wrong())?))
}

/// A decimal number of units.
fn decimal(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || number.len() > 18 || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let power = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(digits(whole)? * unit + digits(fraction)? * unit / power)
}

/// Reads whole seconds, as `connect_timeout` has them; `0` is none.
pub(super) fn seconds(text: &str) -> Result<Option<Duration>, String> {
    let number: u64 =
        text.trim().parse().map_err(|_| format!("{text:?} is no number of seconds: write it as 10"))?;
    limited(text, Duration::from_secs(number))
}

fn limited(text: &str, duration: Duration) -> Result<Option<Duration>, String> {
    match duration {
        Duration::ZERO => Ok(None),
        longer if longer > MAX => Err(format!("{text:?} is longer than a day")),
        // Servers count in milliseconds, and a duration that is there must not become none.
        some => {
            let millis = some.as_nanos().div_ceil(1_000_000);
            Ok(Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))))
        }
    }
}

/// A duration as [`go`] reads it.
pub(super) fn show(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_of_every_unit_are_read() {
        let cases = [("10s", 10_000), ("1m30s", 90_000), ("500ms", 500), ("1.5s", 1500), ("2h", 7_200_000)];
        for (text, millis) in cases {
            assert_eq!(go(text), Ok(Some(Duration::from_millis(millis))), "{text}");
        }
        assert_eq!(go("0"), Ok(None));
        assert_eq!(go("0s"), Ok(None));
        assert_eq!(go("1us"), Ok(Some(Duration::from_millis(1))), "a short one is not none");
        assert_eq!(seconds("10"), Ok(Some(Duration::from_secs(10))));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "10", "s", "10x", "1.2.3s", "-1s", "25h", "99999999999999999999h"] {
            assert!(go(text).is_err(), "{text}");
        }
        for text in ["", "1s", "-1", "90000"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in 1_u64..86_400_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(go(&show(duration)), Ok(Some(duration)));
        }

        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            let _ = (go(&text), seconds(&text));
        }
    }
}
