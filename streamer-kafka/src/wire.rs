//! How an event is written on a topic, as the Go library reads and writes it: the key is the run's id, the value its
//! status in decimal text, and the rest is headers.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use workflow_core::adapter::{Position, Unreadable};
use workflow_core::{
    Event, EventId, ForeignId, Headers, RunId, RunState, StatusCode, Topic, Version, WorkflowName, header,
};

/// What is wrong with a message that is no event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("it has no value; an event's value is its status")]
    NoValue,
    #[error("header {0} is missing")]
    MissingHeader(&'static str),
    #[error("{0} is not text")]
    NotText(String),
    #[error("{part} is {value:?}, which is no {expected}")]
    Form { part: &'static str, value: String, expected: &'static str },
    #[error("{0}")]
    Name(String),
}

/// The headers of an event.
pub(crate) fn headers_of(event: &Event, run_id: &str) -> OwnedHeaders {
    let put = |headers: OwnedHeaders, key: &str, value: &str| {
        headers.insert(Header { key, value: Some(value.as_bytes()) })
    };
    let mut headers = OwnedHeaders::new_with_capacity(7 + event.headers.len());
    headers = put(headers, header::WORKFLOW_NAME, event.workflow_name.as_str());
    headers = put(headers, header::FOREIGN_ID, event.foreign_id.as_str());
    headers = put(headers, header::TOPIC, event.topic.as_str());
    headers = put(headers, header::RUN_ID, run_id);
    headers = put(headers, header::RUN_STATE, &event.run_state.code().to_string());
    if let Some(version) = event.version {
        headers = put(headers, header::RECORD_VERSION, &version.get().to_string());
    }
    if let Some(id) = event.event_id {
        headers = put(headers, header::EVENT_ID, &id.to_string());
    }
    event.headers.iter().fold(headers, |headers, (key, value)| put(headers, key, value))
}

/// Reads events; it keeps the names that the messages of one topic share.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    workflow: Option<WorkflowName>,
    topic: Option<Topic>,
}

/// The headers that an event has fields for.
#[derive(Default)]
struct Own<'a> {
    workflow_name: Option<&'a str>,
    foreign_id: Option<&'a str>,
    topic: Option<&'a str>,
    run_id: Option<&'a str>,
    run_state: Option<&'a str>,
    version: Option<&'a str>,
    event_id: Option<&'a str>,
}

impl Decoder {
    /// Reads a message.
    pub(crate) fn decode(&mut self, message: &impl Message) -> Result<Event, WireError> {
        let value = text("the value", message.payload().ok_or(WireError::NoValue)?)?;
        let status = parse::<i32>("the value", value, "status")?;
        let status = StatusCode::new(status).map_err(|error| WireError::Name(error.to_string()))?;
        let (own, headers) = split(message)?;
        let run_id = match (own.run_id, message.key()) {
            (Some(run_id), _) => run_id,
            (None, Some(key)) => text("the key", key)?,
            (None, None) => return Err(WireError::MissingHeader(header::RUN_ID)),
        };
        let run_state = own.run_state.ok_or(WireError::MissingHeader(header::RUN_STATE))?;
        let run_state = RunState::from_code(parse(header::RUN_STATE, run_state, "run state")?);
        let foreign_id = own.foreign_id.ok_or(WireError::MissingHeader(header::FOREIGN_ID))?;
        let workflow_name = own.workflow_name.ok_or(WireError::MissingHeader(header::WORKFLOW_NAME))?;
        Ok(Event {
            event_id: own
                .event_id
                .map(|id| parse::<EventId>(header::EVENT_ID, id, "outbox id"))
                .transpose()?,
            run_id: parse::<RunId>(header::RUN_ID, run_id, "UUID")?,
            version: own.version.map(version).transpose()?,
            run_state: run_state.map_err(|error| WireError::Name(error.to_string()))?,
            foreign_id: ForeignId::new(foreign_id).map_err(|error| WireError::Name(error.to_string()))?,
            workflow_name: self.workflow(workflow_name)?,
            topic: self.topic(own.topic.unwrap_or_else(|| message.topic())),
            status,
            headers,
        })
    }

    fn workflow(&mut self, name: &str) -> Result<WorkflowName, WireError> {
        match &self.workflow {
            Some(known) if known.as_str() == name => Ok(known.clone()),
            _ => {
                let new = WorkflowName::new(name).map_err(|error| WireError::Name(error.to_string()))?;
                self.workflow = Some(new.clone());
                Ok(new)
            }
        }
    }

    fn topic(&mut self, name: &str) -> Topic {
        match &self.topic {
            Some(known) if known.as_str() == name => known.clone(),
            _ => self.topic.insert(Topic::new(name)).clone(),
        }
    }
}

/// What is kept of a message that is no event.
pub(crate) fn unreadable(message: &impl Message, reason: impl Into<Arc<str>>) -> Unreadable {
    let data = message.payload().unwrap_or_default();
    Unreadable {
        position: position_of(message),
        topic: Topic::new(message.topic()),
        reason: reason.into(),
        data: Bytes::copy_from_slice(&data[..data.len().min(Unreadable::DATA_BYTES_MAX)]),
    }
}

/// Where a message stands. The broker numbers partitions and offsets from 0.
pub(crate) fn position_of(message: &impl Message) -> Position {
    Position {
        partition: u32::try_from(message.partition()).unwrap_or_default(),
        offset: u64::try_from(message.offset()).unwrap_or_default(),
    }
}

fn split<M: Message>(message: &M) -> Result<(Own<'_>, Headers), WireError> {
    let (mut own, mut rest) = (Own::default(), Headers::new());
    let Some(headers) = message.headers() else { return Ok((own, rest)) };
    for at in 0..headers.count() {
        let Header { key, value } = headers.get(at);
        let field = match key {
            header::WORKFLOW_NAME => &mut own.workflow_name,
            header::FOREIGN_ID => &mut own.foreign_id,
            header::TOPIC => &mut own.topic,
            header::RUN_ID => &mut own.run_id,
            header::RUN_STATE => &mut own.run_state,
            header::RECORD_VERSION => &mut own.version,
            header::EVENT_ID => &mut own.event_id,
            _ => {
                // What is no text is of nobody that this engine knows.
                if let Ok(value) = std::str::from_utf8(value.unwrap_or_default()) {
                    rest.push((key.into(), value.into()));
                }
                continue;
            }
        };
        *field = Some(text(key, value.unwrap_or_default())?);
    }
    Ok((own, rest))
}

fn text<'a>(part: &str, bytes: &'a [u8]) -> Result<&'a str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::NotText(part.to_owned()))
}

fn version(text: &str) -> Result<Version, WireError> {
    let number: u64 = parse(header::RECORD_VERSION, text, "version")?;
    Version::new(number).ok_or_else(|| WireError::Form {
        part: header::RECORD_VERSION,
        value: text.to_owned(),
        expected: "version",
    })
}

fn parse<V: FromStr>(part: &'static str, value: &str, expected: &'static str) -> Result<V, WireError> {
    value.parse().map_err(|_| {
        let value = value.chars().take(40).collect();
        WireError::Form { part, value, expected }
    })
}

#[cfg(test)]
#[path = "tests/wire.rs"]
mod tests;
