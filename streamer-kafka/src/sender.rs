//! Publishing: a whole batch is handed to the producer, then its delivery reports are awaited together.

use std::sync::Arc;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer as _};
use tokio::sync::oneshot;
use workflow_core::adapter::{BackendError, Publication, SendOutcome};
use workflow_core::{Event, Topic};

use crate::cluster::{Cluster, Producer};
use crate::error::{failed, is_missing, not_run};
use crate::reports::Failures;
use crate::topics::ensure;
use crate::wire::headers_of;

/// What the producer took of a batch.
struct Taken {
    /// So many it was asked to take; what follows found the queue full.
    tried: usize,
    /// Refused by the client itself.
    refused: Failures,
    reports: oneshot::Receiver<Failures>,
}

/// What was not published, by places in the batch.
struct Told {
    /// The message itself, or the request that it was in, is refused.
    refused: Failures,
    /// The queue was full.
    full: Vec<usize>,
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
    let places: Vec<usize> = (0..batch.len()).collect();
    let told = publish(cluster, &cluster.producer()?, &batch, &places).await?;
    let mut outcomes = vec![SendOutcome::Durable; batch.len()];
    told.full.into_iter().for_each(|place| outcomes[place] = SendOutcome::Full);
    if told.refused.is_empty() {
        return Ok(outcomes);
    }
    // A request that is too large for the broker fails as a whole. Its messages may not be too large, and those of other batches
    // were in it too: only a producer that never puts two into one request tells.
    let places: Vec<usize> = told.refused.into_iter().map(|(place, _)| place).collect();
    let alone = publish(cluster, &cluster.lone_producer()?, &batch, &places).await?;
    alone.full.into_iter().for_each(|place| outcomes[place] = SendOutcome::Full);
    for (place, code) in alone.refused {
        outcomes[place] = SendOutcome::Refused(reason(&batch[place].event, code).into());
    }
    Ok(outcomes)
}

/// Publishes these messages of a batch. What is wrong with the topic or the brokers is an error; what is wrong with a message
/// is told.
async fn publish(
    cluster: &Arc<Cluster>,
    producer: &Arc<Producer>,
    batch: &[Publication],
    places: &[usize],
) -> Result<Told, BackendError> {
    let taken = hand_over(producer, batch, places)?;
    let mut refused = taken.refused;
    refused.extend(taken.reports.await.map_err(|_| not_run("the delivery reports of a batch"))?);
    if let Some((code, text)) = producer.client().fatal_error() {
        cluster.discard(producer);
        tracing::error!(code = ?code, reason = %text, "the Kafka producer has failed for good and is replaced");
        return Err(failed(
            "the Kafka producer failed for good; a new one takes its place",
            KafkaError::Global(code),
        ));
    }
    match refused.iter().find(|(_, code)| !is_for_its_own_sake(*code)) {
        Some((place, code)) => Err(not_delivered(cluster, &batch[*place].event.topic, *code)),
        None => Ok(Told { refused, full: places[taken.tried..].to_vec() }),
    }
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

fn hand_over(producer: &Producer, batch: &[Publication], places: &[usize]) -> Result<Taken, BackendError> {
    let reports = producer.client().context();
    let mut ticket = reports.begin();
    let (mut tried, mut refused) = (0, Failures::new());
    let mut stopped = None;
    for place in places {
        match enqueue(producer, &batch[*place].event, ticket.mark(*place)) {
            Ok(()) => ticket.sent(),
            Err(KafkaError::MessageProduction(Code::QueueFull)) => break,
            Err(KafkaError::MessageProduction(code)) if is_for_its_own_sake(code) => {
                refused.push((*place, code))
            }
            Err(error) => {
                stopped = Some((*place, error));
                break;
            }
        }
        tried += 1;
    }
    let taken = Taken { tried, refused, reports: reports.end(ticket) };
    match stopped {
        // A fatal error is seen by the caller, which needs the reports of the rest for nothing.
        Some((place, error)) if producer.client().fatal_error().is_none() => {
            Err(failed(format!("topic {} takes no events", batch[place].event.topic), error))
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
