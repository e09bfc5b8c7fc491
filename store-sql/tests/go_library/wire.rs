//! The bytes of the Go library: `meta` as JSON, events as protobuf.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::GoRecord;

/// The column `meta`. A key that the Go library does not have, or one that is missing, is an error here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GoMeta {
    pub(crate) run_state_reason: String,
    pub(crate) status_description: String,
    pub(crate) version: u64,
    pub(crate) trace_origin: String,
}

impl GoMeta {
    pub(crate) fn decode(column: &[u8]) -> Self {
        serde_json::from_slice(column).unwrap()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap()
    }
}

/// The column `data` of an outbox row: `int32 type = 2; map<string, string> headers = 3; string run_id = 4`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GoEvent {
    pub(crate) kind: i32,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) run_id: String,
}

impl GoEvent {
    /// The event of a record that is stored.
    pub(crate) fn of(record: &GoRecord) -> Self {
        let name = &record.workflow_name;
        let topic = match record.run_state {
            7 => format!("{name}-delete"),
            3..=6 => format!("{name}-run-state-change"),
            _ => format!("{name}-{}", record.status),
        };
        let headers = [
            ("workflow_name", name.clone()),
            ("foreign_id", record.foreign_id.clone()),
            ("topic", topic),
            ("run_id", record.run_id.clone()),
            ("run_state", record.run_state.to_string()),
            ("record_version", record.meta.version.to_string()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
        Self { kind: record.status, headers, run_id: record.run_id.clone() }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut data = Vec::new();
        put_varint(&mut data, 2 << 3);
        put_varint(&mut data, u64::try_from(self.kind).unwrap());
        for (name, value) in &self.headers {
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, name.as_bytes());
            put_bytes(&mut entry, 2, value.as_bytes());
            put_bytes(&mut data, 3, &entry);
        }
        put_bytes(&mut data, 4, self.run_id.as_bytes());
        data
    }

    /// Reads an event. Field 1 is one that the Go library has given up, so that a value of it is an error here.
    pub(crate) fn decode(mut data: &[u8]) -> Self {
        let mut event = Self { kind: 0, headers: BTreeMap::new(), run_id: String::new() };
        while !data.is_empty() {
            match varint(&mut data) {
                0x10 => event.kind = i32::try_from(varint(&mut data)).unwrap(),
                0x1a => {
                    let mut entry = bytes(&mut data);
                    let mut pair = [String::new(), String::new()];
                    while !entry.is_empty() {
                        let field = varint(&mut entry) >> 3;
                        pair[usize::try_from(field).unwrap() - 1] = text(bytes(&mut entry));
                    }
                    let [name, value] = pair;
                    event.headers.insert(name, value);
                }
                0x22 => event.run_id = text(bytes(&mut data)),
                other => panic!("field {} of wire type {}", other >> 3, other & 7),
            }
        }
        event
    }
}

fn put_varint(data: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        data.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    data.push(value as u8);
}

fn put_bytes(data: &mut Vec<u8>, field: u64, value: &[u8]) {
    put_varint(data, field << 3 | 2);
    put_varint(data, value.len() as u64);
    data.extend(value);
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

fn bytes<'d>(data: &mut &'d [u8]) -> &'d [u8] {
    let length = usize::try_from(varint(data)).unwrap();
    let (value, rest) = data.split_at(length);
    *data = rest;
    value
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
