//! Values as the columns hold them.

use chrono::NaiveDateTime;
use sqlx::mysql::MySqlRow;
use sqlx::{Row, Type};
use workflow_core::{RunId, Timestamp, Version};

/// The last instant that a column can hold.
const LAST_MILLIS: i64 = 253_402_300_799_999;

/// The first one: the year 1000.
const FIRST_MILLIS: i64 = -30_610_224_000_000;

/// An instant for a `datetime(3)` column; what lies outside its range is put at its end.
pub(super) fn datetime(at: Timestamp) -> NaiveDateTime {
    let millis = at.as_millis().clamp(FIRST_MILLIS, LAST_MILLIS);
    Timestamp::from_millis(millis).to_datetime().naive_utc()
}

/// The instant of a `datetime(3)` column.
pub(super) fn instant(row: &MySqlRow, at: usize) -> Result<Timestamp, sqlx::Error> {
    Ok(of_datetime(row.try_get(at)?))
}

/// The instant of a column that may be NULL.
pub(super) fn maybe_instant(row: &MySqlRow, at: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<NaiveDateTime>, _>(at)?.map(of_datetime))
}

fn of_datetime(at: NaiveDateTime) -> Timestamp {
    Timestamp::from_millis(at.and_utc().timestamp_millis())
}

/// A limit for a query.
pub(super) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn run_id(text: &str) -> Result<RunId, sqlx::Error> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub(super) fn version(number: i64) -> Option<Version> {
    u64::try_from(number).ok().and_then(Version::new)
}

/// A value of a row, with the driver's types.
pub(super) fn value<'r, V>(row: &'r MySqlRow, at: usize) -> Result<V, sqlx::Error>
where
    V: sqlx::Decode<'r, sqlx::MySql> + Type<sqlx::MySql>,
{
    row.try_get(at)
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn instants_beyond_the_column_are_put_at_its_end() {
        let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).expect("a day that there is");
        assert_eq!(datetime(Timestamp::from_millis(i64::MAX)).date(), day(9999, 12, 31));
        assert_eq!(datetime(Timestamp::from_millis(i64::MIN)).date(), day(1000, 1, 1));
        let now = Timestamp::from_millis(1_795_000_000_123);
        assert_eq!(of_datetime(datetime(now)), now);
    }
}
