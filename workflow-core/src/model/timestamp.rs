//! Instants on the store's clock.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};

/// An instant, in milliseconds since 1970-01-01 UTC, by the clock of the store.
///
/// ```
/// use std::time::Duration;
/// use workflow_core::Timestamp;
/// let start = Timestamp::from_millis(1_000);
/// assert_eq!((start + Duration::from_secs(1)).as_millis(), 2_000);
/// assert_eq!(start.to_string(), "1970-01-01T00:00:01.000Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant from milliseconds since 1970-01-01 UTC.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is not earlier.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The instant `by` before this one.
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The instant as a date and time; the nearest one that can be written, if it is some 260,000 years away.
    pub fn to_datetime(self) -> DateTime<Utc> {
        let nearest = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        Utc.timestamp_millis_opt(self.0).single().unwrap_or(nearest)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, by: Duration) -> Timestamp {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(value: DateTime<Utc>) -> Self {
        Self(value.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// When something is to happen; a delay is counted by the store's clock, so that hosts may disagree about the time.
///
/// ```
/// use std::time::Duration;
/// use workflow_core::{Due, Timestamp};
/// let now = Timestamp::from_millis(1_000);
/// assert_eq!(Due::In(Duration::from_secs(1)).resolve(now), Timestamp::from_millis(2_000));
/// assert_eq!(Due::At(now).resolve(Timestamp::from_millis(7)), now);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// This long after the store takes it.
    In(Duration),
    /// At this instant.
    At(Timestamp),
}

impl Due {
    /// The instant, given the store's present.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Due::In(delay) => now + delay,
            Due::At(at) => at,
        }
    }
}
