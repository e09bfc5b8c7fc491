//! The `data` column of an outbox row: protobuf, shared with the Go library.
//!
//! ```text
//! message OutboxRecord {
//!   int64 foreign_id = 1 [deprecated = true];
//!   int32 type = 2;
//!   map<string, string> headers = 3;
//!   string run_id = 4;
//! }
//! ```

use std::collections::BTreeMap;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::{
    Event, EventId, ForeignId, Headers, InvalidName, InvalidRunState, InvalidStatus, RunId, RunState,
    StatusCode, Topic, Version, WorkflowName, header,
};

/// The message as the decoder sees it. Field 1 is deprecated and never read.
#[derive(Clone, PartialEq, Message)]
struct OutboxRecord {
    #[prost(int32, tag = "2")]
    status: i32,
    #[prost(btree_map = "string, string", tag = "3")]
    headers: BTreeMap<String, String>,
    #[prost(string, tag = "4")]
    run_id: String,
}

/// An outbox row that cannot be read; it is set aside with this reason.
///
/// ```
/// use workflow_core::decode_outbox;
/// assert_eq!(decode_outbox(b"").unwrap_err().to_string(), "header run_id is missing");
/// ```
#[derive(Debug, thiserror::Error)]
pub enum DecodeOutboxError {
    /// The bytes are not the protobuf message.
    #[error("column data is not an outbox record")]
    Protobuf(#[from] prost::DecodeError),
    /// A header that every event has is missing.
    #[error("header {0} is missing")]
    MissingHeader(&'static str),
    /// A header does not have the form it should have.
    #[error("header {name} is {value:?}, which is no {expected}")]
    Header {
        /// The header.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The workflow name or foreign id cannot be used.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The status is reserved.
    #[error(transparent)]
    Status(#[from] InvalidStatus),
    /// The run state is unknown.
    #[error(transparent)]
    RunState(#[from] InvalidRunState),
}

/// The column's bytes for an event, written in one pass without building the map.
pub fn encode_outbox(event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(384);
    encode_key(2, WireType::Varint, &mut out);
    encode_varint(event.status.get() as u64, &mut out);
    let mut number = [0; 20];
    put_header(&mut out, header::WORKFLOW_NAME, event.workflow_name.as_str());
    put_header(&mut out, header::FOREIGN_ID, event.foreign_id.as_str());
    put_header(&mut out, header::TOPIC, event.topic.as_str());
    let mut uuid = [0; uuid::fmt::Hyphenated::LENGTH];
    let run_id = &*event.run_id.as_uuid().hyphenated().encode_lower(&mut uuid);
    put_header(&mut out, header::RUN_ID, run_id);
    put_header(&mut out, header::RUN_STATE, decimal(event.run_state.code() as u64, &mut number));
    if let Some(version) = event.version {
        put_header(&mut out, header::RECORD_VERSION, decimal(version.get(), &mut number));
    }
    if let Some(id) = event.event_id {
        put_header(&mut out, header::EVENT_ID, &id.to_string());
    }
    for (name, value) in &event.headers {
        put_header(&mut out, name, value);
    }
    put_str(&mut out, 4, run_id);
    out
}

fn put_header(out: &mut Vec<u8>, name: &str, value: &str) {
    encode_key(3, WireType::LengthDelimited, out);
    encode_varint((str_len(name) + str_len(value)) as u64, out);
    put_str(out, 1, name);
    put_str(out, 2, value);
}

/// The length of a string field whose number is below 16: one byte of key, the length, the bytes.
fn str_len(text: &str) -> usize {
    1 + encoded_len_varint(text.len() as u64) + text.len()
}

fn put_str(out: &mut Vec<u8>, tag: u32, text: &str) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn decimal(mut value: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    std::str::from_utf8(&digits[at..]).expect("decimal digits are UTF-8")
}

/// Reads the column.
///
/// # Errors
/// [`DecodeOutboxError`] says which part cannot be read.
pub fn decode_outbox(data: &[u8]) -> Result<Event, DecodeOutboxError> {
    let OutboxRecord { status, mut headers, run_id } = OutboxRecord::decode(data)?;
    let mut take = |name: &'static str| headers.remove(name).ok_or(DecodeOutboxError::MissingHeader(name));
    let run_id = match take(header::RUN_ID) {
        Ok(text) => text,
        Err(_) if !run_id.is_empty() => run_id,
        Err(missing) => return Err(missing),
    };
    let run_id: RunId = parse(header::RUN_ID, run_id, "UUID")?;
    let workflow_name = WorkflowName::new(take(header::WORKFLOW_NAME)?)?;
    let foreign_id = ForeignId::new(take(header::FOREIGN_ID)?)?;
    let topic = Topic::new(take(header::TOPIC)?);
    let run_state = RunState::from_code(parse(header::RUN_STATE, take(header::RUN_STATE)?, "number")?)?;
    let version = take(header::RECORD_VERSION).ok().map(parse_version).transpose()?;
    let event_id: Option<EventId> =
        take(header::EVENT_ID).ok().map(|text| parse(header::EVENT_ID, text, "outbox id")).transpose()?;
    let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect::<Headers>();
    let status = StatusCode::new(status)?;
    Ok(Event { event_id, workflow_name, foreign_id, run_id, status, run_state, version, topic, headers })
}

fn parse<V: std::str::FromStr>(
    name: &'static str,
    value: String,
    expected: &'static str,
) -> Result<V, DecodeOutboxError> {
    value.parse().map_err(|_| DecodeOutboxError::Header { name, value, expected })
}

fn parse_version(value: String) -> Result<Version, DecodeOutboxError> {
    let number: u64 = parse(header::RECORD_VERSION, value, "version")?;
    Version::new(number).ok_or(DecodeOutboxError::Header {
        name: header::RECORD_VERSION,
        value: number.to_string(),
        expected: "version",
    })
}
