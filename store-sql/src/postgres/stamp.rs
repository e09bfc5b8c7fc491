//! Instants as the columns hold them: `timestamp(3)`, in UTC.

use chrono::NaiveDateTime;
use workflow_core::Timestamp;

/// The year 1 and the end of the year 9999, in milliseconds; what lies outside is stored as the nearer of them.
const RANGE_MILLIS: (i64, i64) = (-62_135_596_800_000, 253_402_300_799_999);

/// The value of a column for an instant.
pub(super) fn column(at: Timestamp) -> NaiveDateTime {
    let millis = at.as_millis().clamp(RANGE_MILLIS.0, RANGE_MILLIS.1);
    Timestamp::from_millis(millis).to_datetime().naive_utc()
}

/// The instant of a column's value.
pub(super) fn instant(value: NaiveDateTime) -> Timestamp {
    Timestamp::from_millis(value.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back_and_extremes_are_cut() {
        for millis in [0, 1, -1, 1_700_000_000_123, RANGE_MILLIS.0, RANGE_MILLIS.1] {
            assert_eq!(instant(column(Timestamp::from_millis(millis))).as_millis(), millis);
        }
        assert_eq!(instant(column(Timestamp::from_millis(i64::MAX))).as_millis(), RANGE_MILLIS.1);
        assert_eq!(instant(column(Timestamp::from_millis(i64::MIN))).as_millis(), RANGE_MILLIS.0);
    }
}
