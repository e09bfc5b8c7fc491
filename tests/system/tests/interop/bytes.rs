//! The bytes of outbox rows, between the two libraries of protocol buffers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use workflow_core::{Event, decode_outbox, encode_outbox};

use crate::go::{Go, GoEvent};

#[derive(Deserialize)]
struct Golden {
    outbox: Vec<Bytes>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Bytes {
    data_hex: String,
}

#[derive(Deserialize)]
struct Message {
    key: String,
    value: String,
    headers: BTreeMap<String, String>,
}

fn golden() -> Golden {
    let text = include_str!("../../../../workflow-core/tests/golden/go_library.json");
    serde_json::from_str(text).unwrap()
}

fn event(bytes: &Bytes) -> Event {
    let digits = &bytes.data_hex;
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let data: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    decode_outbox(&data).unwrap()
}

fn hex(data: &[u8]) -> Value {
    json!({"data_hex": data.iter().map(|byte| format!("{byte:02x}")).collect::<String>()})
}

#[tokio::test]
async fn what_the_go_library_recorded_is_what_the_program_reads() {
    let golden = golden();
    let lines: Vec<Value> = golden.outbox.iter().map(|row| json!({"data_hex": row.data_hex})).collect();
    let events: Vec<GoEvent> = Go::alone().all("decode", &lines).await;
    assert_eq!(events.len(), 3);
    for event in events {
        let of_it = |message: &&Message| {
            message.key == event.run_id
                && message.headers["record_version"] == event.headers["record_version"]
        };
        let message = golden.messages.iter().find(of_it).expect("each was published");
        assert_eq!((&event.headers, event.status.to_string()), (&message.headers, message.value.clone()));
    }
}

#[tokio::test]
async fn each_reads_what_the_other_encodes() {
    let golden = golden();
    let lines: Vec<Value> = golden
        .messages
        .iter()
        .map(|message| {
            let status: i32 = message.value.parse().unwrap();
            json!({"run_id": message.key, "type": status, "headers": message.headers})
        })
        .collect();
    let theirs: Vec<Bytes> = Go::alone().all("encode", &lines).await;
    assert_eq!(theirs.len(), 24);
    let ours: Vec<Value> = theirs.iter().map(|row| hex(&encode_outbox(&event(row)))).collect();
    let read: Vec<GoEvent> = Go::alone().all("decode", &ours).await;
    for ((message, bytes), read) in golden.messages.iter().zip(&theirs).zip(read) {
        let event = event(bytes);
        assert_eq!(event.run_id.to_string(), message.key);
        assert_eq!(event.topic.as_str(), message.headers["topic"]);
        assert_eq!(event.version.unwrap().get().to_string(), message.headers["record_version"]);
        assert_eq!((read.run_id, read.headers), (message.key.clone(), message.headers.clone()));
    }
}

#[tokio::test]
async fn bytes_that_are_no_event_are_refused_by_both() {
    for data in [&b"\x1a\x05\x0a\x03ab"[..], b"\xff"] {
        decode_outbox(data).unwrap_err();
        Go::alone().tried::<Value>("decode", &[hex(data)]).await.unwrap_err();
    }
}
