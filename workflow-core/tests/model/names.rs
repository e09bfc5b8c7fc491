//! Limits, control characters and Unicode in the names that users choose.

use proptest::prelude::*;
use workflow_core::{
    ForeignId, InvalidName, InvalidTopic, ProcessName, StartKey, StatusCode, TimerName, Topic, WorkflowName,
};

type Check = fn(&str) -> Result<String, InvalidName>;

/// Every kind of name: what it is called, the most bytes, and its constructor.
const KINDS: [(&str, usize, Check); 5] = [
    ("workflow name", 100, |name| WorkflowName::new(name).map(|name| name.to_string())),
    ("foreign id", 255, |name| ForeignId::new(name).map(|name| name.to_string())),
    ("start key", 255, |name| StartKey::new(name).map(|name| name.to_string())),
    ("timer name", 255, |name| TimerName::new(name).map(|name| name.to_string())),
    ("process name", 255, |name| ProcessName::new(name).map(|name| name.to_string())),
];

#[test]
fn the_longest_name_is_taken_and_one_byte_more_is_not() {
    for (what, bytes_max, check) in KINDS {
        let longest = "x".repeat(bytes_max);
        assert_eq!(check(&longest).as_ref(), Ok(&longest));
        let error = check(&"x".repeat(bytes_max + 1)).unwrap_err();
        let expected = format!("it has {} bytes, {bytes_max} are allowed", bytes_max + 1);
        assert_eq!((error.what, error.reason), (what, expected));
    }
}

#[test]
fn length_is_counted_in_bytes_not_in_characters() {
    assert!(ForeignId::new("ü".repeat(127)).is_ok());
    assert!(ForeignId::new("ü".repeat(128)).is_err());
    assert!(ForeignId::new("油".repeat(85)).is_ok());
    assert!(ForeignId::new("油".repeat(86)).is_err());
}

#[test]
fn an_empty_name_is_refused() {
    for (what, _, check) in KINDS {
        assert_eq!(check("").unwrap_err().to_string(), format!("{what} \"\" cannot be used: it is empty"));
    }
}

#[test]
fn every_control_character_is_refused_with_its_place() {
    let controls = (0..0x20_u32).chain(0x7f..0xa0).filter_map(char::from_u32);
    for control in controls {
        for (_, _, check) in KINDS {
            let error = check(&format!("ü{control}")).unwrap_err();
            assert_eq!(error.reason, "it has a control character at byte 2");
        }
    }
}

#[test]
fn a_very_long_name_is_shortened_in_its_error() {
    let error = ForeignId::new("ü".repeat(5_000)).unwrap_err();
    assert_eq!(error.name, "ü".repeat(40));
}

#[test]
fn names_are_compared_byte_by_byte() {
    let ids = ["a", "A", "a ", "ä", "a\u{308}", "Straße", "STRASSE", "\u{200b}a"];
    for (at, one) in ids.iter().enumerate() {
        for (other_at, other) in ids.iter().enumerate() {
            let same = ForeignId::new(*one).unwrap() == ForeignId::new(*other).unwrap();
            assert_eq!(same, at == other_at, "{one:?} and {other:?}");
        }
    }
}

#[test]
fn topics_have_the_characters_and_length_that_kafka_takes() {
    let topic = |name: &str| Topic::of_status(&WorkflowName::new(name).unwrap(), StatusCode::new(1).unwrap());
    assert_eq!(topic("My orders-2.0_x").check(), Ok(()));
    for (name, found) in [("a/b", '/'), ("größe", 'ö'), ("a:b", ':')] {
        assert_eq!(topic(name).check(), Err(InvalidTopic::Character { topic: topic(name), found }));
    }
    assert_eq!(Topic::new("x".repeat(249)).check(), Ok(()));
    let long = Topic::new("x".repeat(250));
    assert_eq!(long.check(), Err(InvalidTopic::TooLong { topic: long.clone(), len: 250 }));
}

proptest! {
    #[test]
    fn a_name_is_kept_as_it_is_or_refused(name in any::<String>()) {
        let fits = !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control);
        match ForeignId::new(name.as_str()) {
            Ok(id) => prop_assert!(fits && id.as_str() == name),
            Err(error) => prop_assert!(!fits && name.starts_with(&error.name)),
        }
    }
}
