//! Publishing: a whole batch is handed to the producer, then its delivery reports are awaited together.

use std::sync::Arc;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer as _};
use tokio::sync::oneshot;
use workflow_core::adapter::{BackendError, ErrorKind, Publication, SendOutcome};
use workflow_core::{Event, Topic};

use crate::cluster::{Cluster, Producer};
use crate::error::{failed, is_missing, not_run};
use crate::reports::Failures;
use crate::topics::ensure;
use crate::wire::headers_of;

/// What the producer took of a batch.
struct Taken {
    /// Up to this one it was asked; what follows found the queue full.
    tried: usize,
    /// Refused by the client itself.
    refused: Failures,
    reports: oneshot::Receiver<Failures>,
}

/// Publishes a batch in order.
pub(crate) async fn send(
    cluster: &Arc<Cluster>,
    batch: Vec<Publication>,
) -> Result<Vec<SendOutcome>, BackendError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    look_for_topics(cluster, &batch).await?;
    let producer = cluster.producer()?;
    let taken = hand_over(&producer, &batch)?;
    let mut failures = taken.refused;
    failures.extend(taken.reports.await.map_err(|_| not_run("the delivery reports of a batch"))?);
    if let Some((code, text)) = producer.client().fatal_error() {
        cluster.discard(&producer);
        tracing::error!(code = ?code, reason = %text, "the Kafka producer has failed for good and is replaced");
        return Err(failed(
            "the Kafka producer failed for good; a new one takes its place",
            KafkaError::Global(code),
        ));
    }
    let mut outcomes = vec![SendOutcome::Durable; taken.tried];
    outcomes.resize(batch.len(), SendOutcome::Full);
    for (place, code) in failures {
        let event = &batch[place].event;
        if !is_for_its_own_sake(code) {
            return Err(not_delivered(cluster, &event.topic, code));
        }
        // A batch that is too large for the broker fails as a whole; its messages may not be.
        let alone =
            if batch.len() == 1 { Some(code) } else { send_alone(cluster, &producer, &batch[place]).await? };
        if let Some(code) = alone {
            outcomes[place] = SendOutcome::Refused(reason(event, code).into());
        }
    }
    Ok(outcomes)
}

/// Before anything is sent: a missing topic would hold up the producer for the time of a delivery.
async fn look_for_topics(cluster: &Arc<Cluster>, batch: &[Publication]) -> Result<(), BackendError> {
    let mut last: Option<&Topic> = None;
    for publication in batch {
        let topic = &publication.event.topic;
        if last != Some(topic) && cluster.known_partitions(topic).is_none() {
            ensure(cluster, topic).await?;
        }
        last = Some(topic);
    }
    Ok(())
}

fn hand_over(producer: &Producer, batch: &[Publication]) -> Result<Taken, BackendError> {
    let reports = producer.client().context();
    let mut ticket = reports.begin();
    let (mut tried, mut refused) = (0, Failures::new());
    let mut stopped = None;
    for (place, publication) in batch.iter().enumerate() {
        match enqueue(producer, &publication.event, ticket.mark(place)) {
            Ok(()) => ticket.sent(),
            Err(KafkaError::MessageProduction(Code::QueueFull)) => break,
            Err(KafkaError::MessageProduction(code)) if is_for_its_own_sake(code) => {
                refused.push((place, code))
            }
            Err(error) => {
                stopped = Some(error);
                break;
            }
        }
        tried = place + 1;
    }
    let taken = Taken { tried, refused, reports: reports.end(ticket) };
    match stopped {
        // A fatal error is seen by the caller, which needs the reports of the rest for nothing.
        Some(error) if producer.client().fatal_error().is_none() => {
            Err(failed(format!("topic {} takes no events", batch[tried].event.topic), error))
        }
        Some(_) | None => Ok(taken),
    }
}

fn enqueue(producer: &Producer, event: &Event, mark: usize) -> Result<(), KafkaError> {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let run_id = &*event.run_id.as_uuid().hyphenated().encode_lower(&mut buffer);
    let status = event.status.get().to_string();
    let record = BaseRecord::with_opaque_to(event.topic.as_str(), mark)
        .key(run_id)
        .payload(status.as_str())
        .headers(headers_of(event, run_id));
    producer.send(record).map_err(|(error, _)| error)
}

/// Sends one message by itself; gives why it is refused, if it is.
async fn send_alone(
    cluster: &Arc<Cluster>,
    producer: &Arc<Producer>,
    publication: &Publication,
) -> Result<Option<Code>, BackendError> {
    let taken = hand_over(producer, std::slice::from_ref(publication))?;
    let mut failures = taken.refused;
    failures.extend(taken.reports.await.map_err(|_| not_run("the delivery report of a message"))?);
    match failures.first() {
        None if taken.tried == 1 => Ok(None),
        None => Err(BackendError::new(ErrorKind::Transient, "the producer's queue is full")),
        Some((_, code)) if is_for_its_own_sake(*code) => Ok(Some(*code)),
        Some((_, code)) => Err(not_delivered(cluster, &publication.event.topic, *code)),
    }
}

/// Whether it is the message that is at fault, so that it would be refused for ever.
fn is_for_its_own_sake(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidRecord | Code::InvalidTimestamp
    )
}

fn reason(event: &Event, code: Code) -> String {
    let topic = &event.topic;
    match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => format!(
            "the message is larger than topic {topic} takes: see its max.message.bytes and the property message.max.bytes"
        ),
        other => format!("topic {topic} does not take the message: {other}"),
    }
}

fn not_delivered(cluster: &Cluster, topic: &Topic, code: Code) -> BackendError {
    if is_missing(Some(code)) {
        cluster.forget(topic);
    }
    failed(format!("an event could not be published on topic {topic}"), KafkaError::MessageProduction(code))
}
