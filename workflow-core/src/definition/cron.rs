//! When a schedule's slots are.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;

use crate::Timestamp;

/// The shortest period of `@every`.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// What the descriptors stand for.
const DESCRIPTORS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The fields of a cron spec, in order.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];

/// A schedule's spec: five-field cron, `@hourly` and the like, or `@every 90s`, in a time zone.
///
/// The five fields are minute, hour, day of month, month and day of week, with ranges, lists, steps and names. The slots
/// of `@every` are multiples of the period since 1970, so that all instances agree on them.
///
/// ```
/// use workflow_core::{CronSpec, Timestamp};
/// let spec = CronSpec::parse("*/15 9-17 * * mon-fri")?;
/// let friday_evening = Timestamp::from_millis(1_767_373_200_000); // 2026-01-02 17:00
/// assert_eq!(spec.next_after(friday_evening).unwrap().to_string(), "2026-01-02T17:15:00.000Z");
/// # Ok::<(), workflow_core::InvalidCron>(())
/// ```
#[derive(Clone)]
pub struct CronSpec {
    text: Arc<str>,
    slots: Slots,
}

#[derive(Clone)]
enum Slots {
    Every(Duration),
    Cron(Box<Cron>, Tz),
}

/// A schedule's spec that cannot be read.
///
/// ```
/// use workflow_core::CronSpec;
/// let error = CronSpec::parse("0 0 * * mun").unwrap_err();
/// assert_eq!((error.spec.as_str(), error.position), ("0 0 * * mun", 9));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schedule {spec:?}, position {position}: {reason}")]
pub struct InvalidCron {
    /// The spec.
    pub spec: String,
    /// Where, counted in characters from 1.
    pub position: usize,
    /// What is wrong there.
    pub reason: String,
}

impl CronSpec {
    /// Reads a spec, in UTC unless it begins with `CRON_TZ=` or `TZ=` and a time zone.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    ///
    /// ```
    /// use workflow_core::CronSpec;
    /// let error = CronSpec::parse("0 25 * * *").unwrap_err();
    /// assert_eq!(error.position, 3);
    /// ```
    pub fn parse(spec: &str) -> Result<Self, InvalidCron> {
        let trimmed = spec.trim_start();
        let prefix = ["CRON_TZ=", "TZ="].into_iter().find(|prefix| trimmed.starts_with(prefix));
        let Some(prefix) = prefix else { return Self::read(spec, spec, Tz::UTC) };
        let rest = &trimmed[prefix.len()..];
        let (zone, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let place = zone.as_ptr() as usize - spec.as_ptr() as usize;
        let tz = zone_named(spec, zone, spec[..place].chars().count() + 1)?;
        Self::read(spec, rest, tz)
    }

    /// Reads a spec in an IANA time zone, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    ///
    /// ```
    /// use workflow_core::{CronSpec, Timestamp};
    /// let spec = CronSpec::parse_in_zone("0 12 * * *", "Europe/Berlin")?;
    /// let noon = spec.next_after(Timestamp::from_millis(1_767_225_600_000)).unwrap();
    /// assert_eq!(noon.to_string(), "2026-01-01T11:00:00.000Z");
    /// # Ok::<(), workflow_core::InvalidCron>(())
    /// ```
    pub fn parse_in_zone(spec: &str, zone: &str) -> Result<Self, InvalidCron> {
        let mut parsed = Self::read(spec, spec, zone_named(spec, zone, 1)?)?;
        parsed.text = format!("TZ={zone} {spec}").into();
        Ok(parsed)
    }

    /// The spec as it was written, with its time zone if it has one.
    ///
    /// ```
    /// use workflow_core::CronSpec;
    /// assert_eq!(CronSpec::parse("@hourly")?.as_str(), "@hourly");
    /// assert_eq!(CronSpec::parse_in_zone("@daily", "Asia/Tokyo")?.as_str(), "TZ=Asia/Tokyo @daily");
    /// # Ok::<(), workflow_core::InvalidCron>(())
    /// ```
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot after an instant; `None` if there is none any more.
    ///
    /// ```
    /// use workflow_core::{CronSpec, Timestamp};
    /// let new_year = Timestamp::from_millis(1_767_225_600_000);
    /// assert_eq!(CronSpec::parse("@hourly")?.next_after(new_year).unwrap().to_string(), "2026-01-01T01:00:00.000Z");
    /// assert_eq!(CronSpec::parse("0 0 30 feb *")?.next_after(new_year), None);
    /// # Ok::<(), workflow_core::InvalidCron>(())
    /// ```
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        match &self.slots {
            Slots::Every(period) => {
                let period = i64::try_from(period.as_millis()).ok()?;
                let passed = instant.as_millis().div_euclid(period);
                passed.checked_add(1)?.checked_mul(period).map(Timestamp::from_millis)
            }
            Slots::Cron(cron, zone) => {
                let mut from = zone.from_utc_datetime(&instant.to_datetime().naive_utc());
                // Where clocks are set back, a local time comes twice; the search goes on until the instant has passed.
                for _ in 0..4 {
                    let next = cron.find_next_occurrence(&from, false).ok()?;
                    let slot = Timestamp::from(next.with_timezone(&Utc));
                    if slot > instant {
                        return Some(slot);
                    }
                    from = next + chrono::Duration::hours(1);
                }
                None
            }
        }
    }

    fn read(spec: &str, body: &str, zone: Tz) -> Result<Self, InvalidCron> {
        let start = spec.len() - body.len();
        let at = |bytes: usize| spec[..start + bytes].chars().count() + 1;
        let invalid =
            |bytes: usize, reason: String| InvalidCron { spec: spec.to_owned(), position: at(bytes), reason };
        let trimmed = body.trim();
        let lead = body.len() - body.trim_start().len();
        if let Some(period) = trimmed.strip_prefix("@every") {
            let place = trimmed.len() - period.trim_start().len();
            let every = every(period.trim()).map_err(|reason| invalid(lead + place, reason))?;
            return Ok(Self { text: spec.into(), slots: Slots::Every(every) });
        }
        let fields = match DESCRIPTORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed)) {
            Some((_, fields)) => fields,
            None if trimmed.starts_with('@') => {
                let known = "@yearly, @monthly, @weekly, @daily, @hourly and @every";
                return Err(invalid(lead, format!("{trimmed:?} is none of {known}")));
            }
            None => trimmed,
        };
        if std::ptr::eq(fields, trimmed) {
            check_fields(body).map_err(|(bytes, reason)| invalid(bytes, reason))?;
        }
        let cron = Cron::from_str(fields).map_err(|error| invalid(lead, error.to_string()))?;
        Ok(Self { text: spec.into(), slots: Slots::Cron(Box::new(cron), zone) })
    }
}

fn zone_named(spec: &str, zone: &str, position: usize) -> Result<Tz, InvalidCron> {
    zone.parse().map_err(|_| InvalidCron {
        spec: spec.to_owned(),
        position,
        reason: format!("{zone:?} is no time zone: use an IANA name such as Europe/Berlin"),
    })
}

/// Checks each field by itself, to say where the mistake is.
fn check_fields(body: &str) -> Result<(), (usize, String)> {
    let place = |field: &str| field.as_ptr() as usize - body.as_ptr() as usize;
    let fields: Vec<&str> = body.split_whitespace().collect();
    for (number, field) in fields.iter().enumerate().take(FIELDS.len()) {
        let mut alone = ["*"; FIELDS.len()];
        alone[number] = field;
        if let Err(error) = Cron::from_str(&alone.join(" ")) {
            return Err((place(field), format!("{} {field:?}: {error}", FIELDS[number])));
        }
    }
    match fields.get(FIELDS.len()) {
        Some(extra) => Err((place(extra), format!("{extra:?} is one field too many: a spec has five"))),
        None if fields.len() < FIELDS.len() => {
            let missing = FIELDS[fields.len()];
            Err((body.trim_end().len(), format!("the {missing} is missing: a spec has five fields")))
        }
        None => Ok(()),
    }
}

/// A period as `90s`, `1h30m` or `1.5h`.
fn every(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut seconds = 0.0;
    if text.is_empty() {
        return Err("the period is missing: write `@every 90s`".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 =
            rest[..digits].parse().map_err(|_| format!("{text:?} is no period such as 90s or 1h30m"))?;
        rest = &rest[digits..];
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let unit = units.into_iter().find(|(unit, _)| rest.starts_with(unit));
        let Some((unit, factor)) = unit else {
            return Err(format!("{text:?} has a number without a unit: use h, m or s"));
        };
        seconds += number * factor;
        rest = &rest[unit.len()..];
    }
    let period = Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text:?} is too long"))?;
    if period < EVERY_MIN {
        return Err(format!("{text:?} is shorter than a second"));
    }
    Ok(period)
}

impl fmt::Debug for CronSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CronSpec").field(&self.text).finish()
    }
}

impl PartialEq for CronSpec {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
