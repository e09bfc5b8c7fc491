//! Durations and instants, as people write and read them.

use std::time::Duration;

use chrono::DateTime;
use workflow_core::Timestamp;

/// Units that a duration is written in, in seconds.
const UNITS: [(char, u64); 5] = [('w', 7 * 86_400), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// The longest duration that is taken: a century.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Reads `30d`, `12h`, `1w2d` or `0s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = |why: &str| format!("{why}: write it as 30d, 12h, 45m, 10s or 1w2d");
    if text.starts_with('-') {
        return Err(wrong("an age is never negative"));
    }
    let (mut rest, mut seconds, mut before) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| wrong("the unit is missing"))?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong("a number is missing or too large"))?;
        let unit = rest[digits..].chars().next().unwrap_or_default();
        let found = UNITS.into_iter().find(|(name, _)| *name == unit);
        let (_, size) = found.ok_or_else(|| wrong("the units are w, d, h, m and s"))?;
        if size >= before {
            return Err(wrong("each unit comes once, the largest first"));
        }
        before = size;
        seconds = number
            .checked_mul(size)
            .and_then(|part| seconds.checked_add(part))
            .filter(|seconds| *seconds <= LONGEST.as_secs())
            .ok_or_else(|| wrong("it is longer than a century"))?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    if before == u64::MAX { Err(wrong("it is empty")) } else { Ok(Duration::from_secs(seconds)) }
}

/// An instant on the command line: an instant by itself, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    pub(crate) fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::At(at) => at,
            Moment::Ago(age) => now.before(age),
        }
    }
}

/// Reads `2026-05-01`, `2026-05-01T12:00:00Z` or, for so long ago, `7d`.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(age) = duration(text) {
        return Ok(Moment::Ago(age));
    }
    let midnight = format!("{text}T00:00:00Z");
    let parsed = [text, &midnight].into_iter().find_map(|text| DateTime::parse_from_rfc3339(text).ok());
    parsed.map(|at| Moment::At(at.to_utc().into())).ok_or_else(|| {
        "it is no instant: write it as 2026-05-01, 2026-05-01T12:00:00Z, or 7d for so long ago".to_owned()
    })
}

/// A duration in its two largest units.
pub(crate) fn show(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut parts = Vec::new();
    for (unit, size) in &UNITS[1..] {
        if rest >= *size || (*size == 1 && parts.is_empty()) {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    parts.truncate(2);
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_any_unit() {
        let cases = [("30d", 30 * 86_400), ("1w2d", 9 * 86_400), ("12h", 43_200), ("1h30m", 5400), ("0s", 0)];
        for (text, seconds) in cases {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let wrong = [
            "",
            "d",
            "30",
            "-1d",
            "1.5d",
            "1y",
            "1d1d",
            "1s1d",
            "1 d",
            "101000w",
            "99999999999999999999s",
            "3ä",
        ];
        for text in wrong {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_instants_or_ages() {
        let at = |millis| Ok(Moment::At(Timestamp::from_millis(millis)));
        assert_eq!(moment("2026-01-01"), at(1_767_225_600_000));
        assert_eq!(moment("2026-01-01T01:00:00+01:00"), at(1_767_225_600_000));
        assert_eq!(moment("7d"), Ok(Moment::Ago(Duration::from_secs(604_800))));
        assert!(moment("yesterday").is_err() && moment("2026-13-01").is_err());
    }

    #[test]
    fn ages_are_shown_in_two_units() {
        let shown = [(0, "0s"), (59, "59s"), (3600, "1h"), (90_061, "1d 1h"), (200, "3m 20s")];
        for (seconds, text) in shown {
            assert_eq!(show(Duration::from_secs(seconds)), text);
        }
    }
}
