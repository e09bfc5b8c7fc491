//! What the Go library writes is read, and ours says the same: the facts are in `golden/go_library.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use workflow_core::{
    Event, EventId, GroupName, Meta, RunState, Shard, StatusCode, Topic, Version, WorkflowName,
    decode_outbox, encode_outbox,
};

#[derive(Deserialize)]
struct Golden {
    records: Vec<GoRecord>,
    outbox: Vec<GoOutbox>,
    messages: Vec<GoMessage>,
    groups: Vec<String>,
    roles_without_a_group: Vec<String>,
}

#[derive(Deserialize)]
struct GoRecord {
    workflow_name: String,
    run_state: i32,
    status: i32,
    meta: String,
}

#[derive(Deserialize)]
struct GoOutbox {
    id: String,
    data_hex: String,
}

#[derive(Deserialize)]
struct GoMessage {
    topic: String,
    key: String,
    value: String,
    headers: BTreeMap<String, String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/go_library.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// One field of a protobuf message: its number, and its varint or bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Varint(u64, u64),
    Bytes(u64, Vec<u8>),
}

fn varint(data: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = data.split_first().unwrap();
        *data = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

/// Reads a message without any code of the project.
fn fields(mut data: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    while !data.is_empty() {
        let key = varint(&mut data);
        let value = varint(&mut data);
        fields.push(match key & 7 {
            0 => Field::Varint(key >> 3, value),
            2 => {
                let (bytes, rest) = data.split_at(value as usize);
                data = rest;
                Field::Bytes(key >> 3, bytes.to_vec())
            }
            other => panic!("wire type {other}"),
        });
    }
    fields
}

/// The event that the Go library put on Kafka, as ours would have made it.
fn event_of(message: &GoMessage) -> Event {
    let header = |name: &str| message.headers[name].as_str();
    Event {
        event_id: None,
        workflow_name: WorkflowName::new(header("workflow_name")).unwrap(),
        foreign_id: workflow_core::ForeignId::new(header("foreign_id")).unwrap(),
        run_id: header("run_id").parse().unwrap(),
        status: StatusCode::new(message.value.parse().unwrap()).unwrap(),
        run_state: RunState::from_code(header("run_state").parse().unwrap()).unwrap(),
        version: Version::new(header("record_version").parse().unwrap()),
        topic: Topic::new(header("topic")),
        headers: Vec::new(),
    }
}

#[test]
fn outbox_rows_of_the_go_library_decode() {
    let golden = golden();
    assert_eq!(golden.outbox.len(), 3);
    for row in golden.outbox {
        let event = decode_outbox(&bytes(&row.data_hex)).unwrap();
        let message = golden.messages.iter().find(|message| {
            message.key == event.run_id.to_string() && message.headers["record_version"] == "1"
        });
        assert_eq!(event, event_of(message.expect("each was published")));
        assert_eq!(row.id.parse::<EventId>().unwrap().to_string(), row.id);
    }
}

#[test]
fn our_outbox_rows_have_the_fields_of_the_go_library() {
    for row in golden().outbox {
        let theirs = bytes(&row.data_hex);
        let ours = encode_outbox(&decode_outbox(&theirs).unwrap());
        let (mut their_fields, mut our_fields) = (fields(&theirs), fields(&ours));
        assert!(matches!(our_fields[0], Field::Varint(2, 1)), "{our_fields:?}");
        their_fields.sort();
        our_fields.sort();
        assert_eq!(our_fields, their_fields);
        assert_eq!(ours.len(), theirs.len());
    }
}

#[test]
fn topics_and_headers_of_all_messages_are_ours_too() {
    let golden = golden();
    assert_eq!(golden.messages.len(), 24);
    for message in &golden.messages {
        let event = event_of(message);
        assert_eq!(event.topic.as_str(), message.topic);
        assert_eq!(event.run_id.to_string(), message.key);
        assert_eq!(Topic::of_record(&event.workflow_name, event.run_state, event.status), event.topic);
        let headers: BTreeMap<String, String> = fields(&encode_outbox(&event))
            .into_iter()
            .filter_map(|field| match field {
                Field::Bytes(3, entry) => Some(entry),
                _ => None,
            })
            .map(|entry| match <[Field; 2]>::try_from(fields(&entry)).unwrap() {
                [Field::Bytes(1, name), Field::Bytes(2, value)] => {
                    (String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap())
                }
                other => panic!("{other:?} is no entry of a map"),
            })
            .collect();
        assert_eq!(headers, message.headers);
    }
}

#[test]
fn meta_of_the_go_library_reads_and_writes_byte_for_byte() {
    for record in golden().records {
        let meta = Meta::decode(Some(record.meta.as_bytes())).unwrap();
        assert_eq!(String::from_utf8(meta.encode()).unwrap(), record.meta);
        assert!(meta.version >= 1 && meta.trace_origin.contains("trigger.go:79"));
    }
}

#[test]
fn records_of_the_go_library_have_numbers_that_ours_knows() {
    let golden = golden();
    let of = |name: &str| {
        let records = golden.records.iter().filter(|record| record.workflow_name == name);
        let states = records.map(|record| (RunState::from_code(record.run_state).unwrap(), record.status));
        states.collect::<Vec<_>>()
    };
    assert_eq!(of("wit1"), [(RunState::Initiated, 1); 3]);
    assert_eq!(of("wit2"), [(RunState::DataDeleted, 4), (RunState::Cancelled, 1), (RunState::Initiated, 1)]);
}

#[test]
fn groups_and_roles_of_the_go_library_are_our_roles() {
    let golden = golden();
    let wit1 = WorkflowName::new("wit1").unwrap();
    let status = |code| StatusCode::new(code).unwrap();
    let step = |code| GroupName::of_step(&wit1, status(code)).role(Shard::WHOLE);
    let groups = [
        step(1),
        step(2),
        step(3),
        GroupName::of_deletions(&wit1).single_role(),
        GroupName::of_paused_retry(&wit1).single_role(),
        GroupName::of_timeout_inserter(&wit1, status(1)).single_role(),
    ];
    assert_eq!(groups.map(|role| role.to_string()).to_vec(), golden.groups);
    let roles = [GroupName::of_outbox(&wit1), GroupName::of_timeouts(&wit1, status(1))];
    assert_eq!(roles.map(|group| group.single_role().to_string()).to_vec(), golden.roles_without_a_group);
}
