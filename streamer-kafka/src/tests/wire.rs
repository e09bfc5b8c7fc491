//! The wire format against messages of the Go library, and against ours, byte for byte.
#![allow(clippy::unwrap_used, reason = "this is test code")]

use rdkafka::Timestamp;
use rdkafka::message::{Header, Headers as _, OwnedHeaders, OwnedMessage};
use serde_json::Value;
use workflow_core::{
    Event, EventId, ForeignId, Headers, RunId, RunState, StatusCode, Topic, Version, WorkflowName, header,
};

use super::{Decoder, WireError, headers_of, unreadable};

fn golden() -> Vec<Value> {
    let text = include_str!("../../tests/golden/go-library.json");
    let golden: Value = serde_json::from_str(text).unwrap();
    golden["messages"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn message(topic: &str, key: &str, value: &[u8], headers: OwnedHeaders) -> OwnedMessage {
    let (key, value) = (Some(key.as_bytes().to_vec()), Some(value.to_vec()));
    OwnedMessage::new(value, key, topic.to_owned(), Timestamp::CreateTime(7), 2, 5, Some(headers))
}

fn of_go(golden: &Value) -> OwnedMessage {
    let mut headers = OwnedHeaders::new();
    for (key, value) in golden["headers"].as_object().unwrap() {
        headers = headers.insert(Header { key, value: Some(value.as_str().unwrap()) });
    }
    message(text(golden, "topic"), text(golden, "key"), text(golden, "value").as_bytes(), headers)
}

/// The headers of an event as text, by name.
fn written(event: &Event) -> Vec<(String, String)> {
    let headers = headers_of(event, &event.run_id.to_string());
    let all = (0..headers.count()).map(|at| headers.get(at));
    all.map(|each| (each.key.to_owned(), String::from_utf8(each.value.unwrap().to_vec()).unwrap())).collect()
}

fn event() -> Event {
    let workflow_name = WorkflowName::new("my orders").unwrap();
    let status = StatusCode::new(2).unwrap();
    Event {
        event_id: Some("outbox-id-018f2b6e-7c7b-7000-8000-00000000002a".parse().unwrap()),
        topic: Topic::of_status(&workflow_name, status),
        workflow_name,
        foreign_id: ForeignId::new("Bestellung Nr. 7 – äöü").unwrap(),
        run_id: "4d9010bf-13b7-4b99-83c9-175e4b7250e3".parse().unwrap(),
        status,
        run_state: RunState::Running,
        version: Version::new(3),
        headers: vec![("traceparent".into(), "00-1-2-01".into()), ("tracestate".into(), "a=b".into())],
    }
}

#[test]
fn messages_of_the_go_library_are_read_and_written_as_they_were() {
    let golden = golden();
    assert!(golden.len() >= 20, "{} messages", golden.len());
    for each in &golden {
        let event = Decoder::default().decode(&of_go(each)).unwrap();
        assert_eq!(event.event_id, None);
        assert_eq!(event.run_id.to_string(), text(each, "key"));
        assert_eq!(event.status.get().to_string(), text(each, "value"));
        assert_eq!(event.topic.as_str(), text(each, "topic"));
        let mut ours = written(&event);
        ours.sort();
        let mut theirs: Vec<(String, String)> = each["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        theirs.sort();
        assert_eq!(ours, theirs, "the same headers, and no other");
    }
}

#[test]
fn ours_are_written_so() {
    let pairs = [
        ("workflow_name", "my orders"),
        ("foreign_id", "Bestellung Nr. 7 – äöü"),
        ("topic", "my_orders-2"),
        ("run_id", "4d9010bf-13b7-4b99-83c9-175e4b7250e3"),
        ("run_state", "2"),
        ("record_version", "3"),
        ("event_id", "outbox-id-018f2b6e-7c7b-7000-8000-00000000002a"),
        ("traceparent", "00-1-2-01"),
        ("tracestate", "a=b"),
    ];
    let expected: Vec<_> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(written(&event()), expected);
}

#[test]
fn what_is_written_is_read() {
    let without_ids = Event { event_id: None, version: None, headers: Headers::new(), ..event() };
    for event in [event(), without_ids] {
        let run_id = event.run_id.to_string();
        let status = event.status.get().to_string();
        let message = message(event.topic.as_str(), &run_id, status.as_bytes(), headers_of(&event, &run_id));
        assert_eq!(Decoder::default().decode(&message).unwrap(), event);
    }
}

#[test]
fn the_key_stands_for_a_missing_run_id() {
    let event = event();
    let headers = written(&event).into_iter().filter(|(key, _)| key != header::RUN_ID);
    let headers = headers.fold(OwnedHeaders::new(), |all, (key, value)| {
        all.insert(Header { key: &key, value: Some(value.as_bytes()) })
    });
    let message = message("my_orders-2", &event.run_id.to_string(), b"2", headers);
    assert_eq!(Decoder::default().decode(&message).unwrap(), event);
}

#[test]
fn what_is_no_event_is_told_apart() {
    let with = |changed: &str, value: &str| {
        written(&event()).into_iter().fold(OwnedHeaders::new(), |all, (key, own)| {
            let value = if key == changed { value } else { &own };
            all.insert(Header { key: &key, value: Some(value.as_bytes()) })
        })
    };
    let decode =
        |value: &[u8], headers| Decoder::default().decode(&message("t", "k", value, headers)).unwrap_err();
    let cases = [
        (decode(b"two", with("", "")), "the value is \"two\", which is no status"),
        (decode(&[0xff], with("", "")), "the value is not text"),
        (decode(b"2", OwnedHeaders::new()), "header run_state is missing"),
        (decode(b"2", with("run_id", "17")), "run_id is \"17\", which is no UUID"),
        (decode(b"2", with("record_version", "0")), "record_version is \"0\", which is no version"),
        (decode(b"2", with("event_id", "x")), "event_id is \"x\", which is no outbox id"),
    ];
    for (error, expected) in cases {
        assert_eq!(error.to_string(), expected);
    }
    let none = OwnedMessage::new(None, None, "t".into(), Timestamp::NotAvailable, 0, 0, None);
    assert_eq!(Decoder::default().decode(&none), Err(WireError::NoValue));
}

#[test]
fn no_more_than_a_kibibyte_is_kept_of_what_cannot_be_read() {
    let kept = unreadable(&message("t", "k", &[b'x'; 3000], OwnedHeaders::new()), "why");
    assert_eq!((kept.data.len(), kept.position.partition, kept.position.offset), (1024, 2, 5));
    assert_eq!((kept.topic.as_str(), &*kept.reason), ("t", "why"));
}

#[test]
fn ids_are_read_in_any_case() {
    let id: EventId = "outbox-id-018f2b6e-7c7b-7000-8000-00000000002a".parse().unwrap();
    let run: RunId = "4D9010BF-13B7-4B99-83C9-175E4B7250E3".parse().unwrap();
    assert_eq!(id.to_string().len(), 46);
    assert_eq!(run.to_string(), "4d9010bf-13b7-4b99-83c9-175e4b7250e3");
}
