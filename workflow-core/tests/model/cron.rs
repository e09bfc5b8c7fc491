//! Cron specs, against a scan of every minute that knows nothing of the library behind them.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Timelike, Utc};
use proptest::prelude::*;
use workflow_core::{CronSpec, Timestamp};

const MINUTE: i64 = 60_000;

fn at(text: &str) -> Timestamp {
    text.parse::<DateTime<Utc>>().unwrap().into()
}

fn next(spec: &str, from: &str) -> Option<String> {
    CronSpec::parse(spec).unwrap().next_after(at(from)).map(|slot| slot.to_string())
}

/// One field of a spec, and the numbers that it stands for.
#[derive(Clone, Debug)]
struct Field {
    text: String,
    numbers: BTreeSet<u32>,
    /// Whether it is `*`: then of the two fields that are about days, the other decides.
    any: bool,
}

fn field(low: u32, high: u32) -> impl Strategy<Value = Field> {
    let any = Just(Field { text: "*".to_owned(), numbers: (low..=high).collect(), any: true });
    let single = (low..=high).prop_map(|number| (number.to_string(), BTreeSet::from([number])));
    let range = (low..=high, low..=high).prop_map(|(one, other)| {
        let (from, to) = (one.min(other), one.max(other));
        (format!("{from}-{to}"), (from..=to).collect())
    });
    let stepped = (low..=high, low..=high, 1..=20_u32).prop_map(|(one, other, step)| {
        let (from, to) = (one.min(other), one.max(other));
        (format!("{from}-{to}/{step}"), (from..=to).step_by(step as usize).collect())
    });
    let part = prop_oneof![single, range, stepped];
    let list = proptest::collection::vec(part, 1..4).prop_map(|parts: Vec<(String, BTreeSet<u32>)>| Field {
        text: parts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(","),
        numbers: parts.into_iter().flat_map(|(_, numbers)| numbers).collect(),
        any: false,
    });
    prop_oneof![2 => any, 3 => list]
}

/// Minute, hour, day of month, month, day of week.
fn fields() -> impl Strategy<Value = [Field; 5]> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))
        .prop_map(|(minute, hour, day, month, weekday)| [minute, hour, day, month, weekday])
}

fn matches([minute, hour, day, month, weekday]: &[Field; 5], time: DateTime<Utc>) -> bool {
    let by_day = day.numbers.contains(&time.day());
    let by_weekday = weekday.numbers.contains(&time.weekday().num_days_from_sunday());
    // If both are given, either will do, as in every cron.
    let of_day = if day.any || weekday.any { by_day && by_weekday } else { by_day || by_weekday };
    minute.numbers.contains(&time.minute())
        && hour.numbers.contains(&time.hour())
        && month.numbers.contains(&time.month())
        && of_day
}

/// The first matching minute after an instant, within some days.
fn scan(fields: &[Field; 5], from: i64, minutes: i64) -> Option<Timestamp> {
    let first = from.div_euclid(MINUTE) + 1;
    (first..first + minutes)
        .map(|minute| Timestamp::from_millis(minute * MINUTE))
        .find(|minute| matches(fields, minute.to_datetime()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_next_slot_is_the_first_matching_minute(fields in fields(), from in 1_700_000_000_000..1_900_000_000_000_i64) {
        let text = fields.each_ref().map(|field| field.text.as_str()).join(" ");
        let spec = CronSpec::parse(&text).unwrap();
        let minutes = 40 * 24 * 60;
        let found = spec.next_after(Timestamp::from_millis(from));
        match scan(&fields, from, minutes) {
            Some(slot) => prop_assert_eq!(found, Some(slot), "{}", text),
            None => prop_assert!(
                found.is_none_or(|slot| slot.as_millis() > from + minutes * MINUTE),
                "{}: {:?}", text, found
            ),
        }
    }

    #[test]
    fn slots_go_strictly_forward_in_every_zone(
        fields in fields(),
        zone in proptest::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo",
        ]),
        from in 1_500_000_000_000..1_900_000_000_000_i64,
    ) {
        let text = fields.each_ref().map(|field| field.text.as_str()).join(" ");
        let spec = CronSpec::parse_in_zone(&text, zone).unwrap();
        let mut last = Timestamp::from_millis(from);
        for _ in 0..20 {
            let Some(slot) = spec.next_after(last) else { break };
            prop_assert!(slot > last, "{} in {}: {} after {}", text, zone, slot, last);
            last = slot;
        }
    }

    #[test]
    fn slots_of_every_are_multiples_of_the_period(seconds in 1..1_000_000_i64, from in -1_000_000_000_000..4_000_000_000_000_i64) {
        let spec = CronSpec::parse(&format!("@every {seconds}s")).unwrap();
        let slot = spec.next_after(Timestamp::from_millis(from)).unwrap().as_millis();
        prop_assert_eq!(slot.rem_euclid(seconds * 1_000), 0);
        prop_assert!(slot > from && slot - from <= seconds * 1_000);
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        text in prop_oneof![any::<String>(), "(TZ=|CRON_TZ=)?[@a-z0-9*/,. \\-]{0,20}", "@every ?[0-9.hms]{0,8}.?"],
    ) {
        if let Err(error) = CronSpec::parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.position), "{:?}", error);
        }
    }
}

/// What the descriptors, names and the seventh day stand for.
const SAME: [(&str, &str); 15] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@HOURLY", "0 * * * *"),
    ("0 0 * * mon-fri", "0 0 * * 1-5"),
    ("0 0 * * SUN,Wed", "0 0 * * 0,3"),
    ("0 0 * * 7", "0 0 * * 0"),
    ("0 0 1 jan,jul *", "0 0 1 1,7 *"),
    ("*/15 * * * *", "0,15,30,45 * * * *"),
    ("0 9-17/4 * * *", "0 9,13,17 * * *"),
    ("  5   4 * * *  ", "5 4 * * *"),
];

#[test]
fn descriptors_names_and_steps_stand_for_numbers() {
    for (short, long) in SAME {
        let (mut one, mut other) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
        for _ in 0..30 {
            one = CronSpec::parse(short).unwrap().next_after(one).unwrap();
            other = CronSpec::parse(long).unwrap().next_after(other).unwrap();
            assert_eq!(one, other, "{short} and {long}");
        }
    }
}

#[test]
fn periods_of_every_add_up() {
    let cases = [
        ("@every 90s", "2026-01-01T00:01:30.000Z"),
        ("@every 1h30m", "2026-01-01T01:30:00.000Z"),
        ("@every 1.5h", "2026-01-01T01:30:00.000Z"),
        ("@every 1s500ms", "2026-01-01T00:00:01.500Z"),
    ];
    for (spec, slot) in cases {
        assert_eq!(next(spec, "2026-01-01T00:00:00Z").as_deref(), Some(slot), "{spec}");
    }
}

#[test]
fn a_zone_is_given_in_front_or_apart() {
    let noon = "2026-01-01T11:00:00.000Z";
    assert_eq!(next("TZ=Europe/Berlin 0 12 * * *", "2026-01-01T00:00:00Z").as_deref(), Some(noon));
    assert_eq!(next("CRON_TZ=Europe/Berlin 0 12 * * *", "2026-01-01T00:00:00Z").as_deref(), Some(noon));
    let apart = CronSpec::parse_in_zone("0 12 * * *", "Europe/Berlin").unwrap();
    assert_eq!(apart.next_after(at("2026-01-01T00:00:00Z")).unwrap().to_string(), noon);
    assert_eq!(apart, CronSpec::parse("TZ=Europe/Berlin 0 12 * * *").unwrap());
}

#[test]
fn every_minute_of_an_hour_that_comes_twice_is_a_slot() {
    let spec = CronSpec::parse_in_zone("* * * * *", "Europe/Berlin").unwrap();
    let mut slot = at("2026-10-24T23:30:00Z");
    for _ in 0..180 {
        let next = spec.next_after(slot).unwrap();
        assert_eq!(next.as_millis() - slot.as_millis(), MINUTE, "{next} after {slot}");
        slot = next;
    }
}

#[test]
fn an_error_says_what_is_wrong_where() {
    let cases = [
        ("61 * * * *", 1, "minute \"61\""),
        ("0 25 * * *", 3, "hour \"25\""),
        ("0 0 32 * *", 5, "day of month \"32\""),
        ("0 0 * 13 *", 7, "month \"13\""),
        ("0 0 * * mun", 9, "day of week \"mun\""),
        ("  0  x * * *", 6, "hour \"x\""),
        ("0 0 * * * *", 11, "one field too many"),
        ("0 0 * *", 8, "the day of week is missing"),
        ("", 1, "the minute is missing"),
        ("@fortnightly", 1, "none of @yearly"),
        ("@every", 7, "the period is missing"),
        ("@every ", 7, "the period is missing"),
        ("@every 5", 8, "without a unit"),
        ("@every 10ms", 8, "shorter than a second"),
        ("@every ü", 8, "no period"),
        ("@everyday", 7, "no period"),
        ("TZ=Mars/Base 0 0 * * *", 4, "\"Mars/Base\" is no time zone"),
        ("TZ=", 4, "\"\" is no time zone"),
        ("TZ=UTC", 7, "the minute is missing"),
        ("TZ=UTC 0 25 * * *", 10, "hour \"25\""),
    ];
    for (spec, position, reason) in cases {
        let error = CronSpec::parse(spec).unwrap_err();
        assert_eq!((error.spec.as_str(), error.position), (spec, position), "{error}");
        assert!(error.reason.contains(reason), "{error}");
    }
}

#[test]
fn a_zone_that_does_not_exist_is_named() {
    let error = CronSpec::parse_in_zone("0 0 * * *", "Mars/Base").unwrap_err();
    assert_eq!((error.position, error.spec.as_str()), (1, "0 0 * * *"));
    assert!(error.to_string().contains("\"Mars/Base\" is no time zone"), "{error}");
}

#[test]
fn a_day_that_never_comes_has_no_slot() {
    assert_eq!(next("0 0 30 2 *", "2026-01-01T00:00:00Z"), None);
    assert_eq!(next("0 0 29 2 *", "2026-01-01T00:00:00Z").as_deref(), Some("2028-02-29T00:00:00.000Z"));
}

#[test]
fn a_zone_moves_with_its_summer_time() {
    let spec = CronSpec::parse("CRON_TZ=Europe/Berlin 30 4 * * *").unwrap();
    let mut slot = at("2026-03-28T00:00:00Z");
    let mut slots = Vec::new();
    for _ in 0..3 {
        slot = spec.next_after(slot).unwrap();
        slots.push(slot.to_string());
    }
    let expected = ["2026-03-28T03:30:00.000Z", "2026-03-29T02:30:00.000Z", "2026-03-30T02:30:00.000Z"];
    assert_eq!(slots, expected);
}

#[test]
fn a_time_that_is_left_out_in_spring_does_not_stop_the_schedule() {
    let spec = CronSpec::parse("CRON_TZ=Europe/Berlin 30 2 * * *").unwrap();
    let first = spec.next_after(at("2026-03-27T12:00:00Z")).unwrap();
    assert_eq!(first.to_string(), "2026-03-28T01:30:00.000Z");
    let second = spec.next_after(first).unwrap();
    assert!(second > first);
    let third = spec.next_after(second).unwrap();
    assert_eq!(third.to_string(), "2026-03-30T00:30:00.000Z");
}
