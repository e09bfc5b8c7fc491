//! Publishing: a whole batch is handed to the producer, then its delivery reports are awaited together. What is the first
//! message on its partition goes before, alone.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer as _};
use tokio::sync::oneshot;
use workflow_core::adapter::{BackendError, ErrorKind, Publication, SendOutcome};
use workflow_core::{Event, Topic};

use crate::cluster::{Cluster, Producer, number};
use crate::error::{failed, is_missing, not_run};
use crate::openings::partition_of;
use crate::reports::Failures;
use crate::topics::ensure;
use crate::wire::headers_of;

/// A batch on its way.
struct Sending<'a> {
    cluster: &'a Arc<Cluster>,
    producer: Arc<Producer>,
    batch: &'a [Publication],
    /// The partition of each.
    partitions: Vec<u32>,
    outcomes: Vec<SendOutcome>,
}

/// What the producer took of some messages of a batch.
struct Taken {
    /// So many of them were handed over; what follows found the queue full.
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
    let partitions = look_for_topics(cluster, &batch).await?;
    let outcomes = vec![SendOutcome::Full; batch.len()];
    let producer = cluster.producer()?;
    let mut sending = Sending { cluster, producer, batch: &batch, partitions, outcomes };
    let rest = sending.open().await?;
    sending.all(&rest).await?;
    Ok(sending.outcomes)
}

/// Before anything is sent: a missing topic would hold up the producer for the time of a delivery. Gives the partition of
/// each message.
async fn look_for_topics(cluster: &Arc<Cluster>, batch: &[Publication]) -> Result<Vec<u32>, BackendError> {
    let mut last: Option<(&Topic, u32)> = None;
    let mut partitions = Vec::with_capacity(batch.len());
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    for Publication { event, .. } in batch {
        let count = match last.filter(|(topic, _)| *topic == &event.topic) {
            Some((_, count)) => count,
            None => match cluster.known_partitions(&event.topic) {
                Some(count) => count,
                None => ensure(cluster, &event.topic).await?,
            },
        };
        last = Some((&event.topic, count));
        partitions.push(partition_of(event.run_id.as_uuid().hyphenated().encode_lower(&mut buffer), count));
    }
    Ok(partitions)
}

impl Sending<'_> {
    fn place(&self, number: usize) -> (&Topic, u32) {
        (&self.batch[number].event.topic, self.partitions[number])
    }

    /// Sends the first message of each partition that is not open yet, alone; gives the numbers of all others.
    async fn open(&mut self) -> Result<Vec<usize>, BackendError> {
        let producer = Arc::clone(&self.producer);
        let openings = &producer.client().context().openings;
        let mut left: Vec<usize> = (0..self.batch.len()).collect();
        if openings.use_all(left.iter().map(|number| self.place(*number)), Instant::now()) {
            return Ok(left);
        }
        let _turn = openings.turn.lock().await;
        loop {
            let messages = left.iter().map(|number| (*number, self.place(*number)));
            let first = openings.first_of_closed(messages, Instant::now());
            if first.is_empty() {
                openings.use_all(left.iter().map(|number| self.place(*number)), Instant::now());
                return Ok(left);
            }
            self.all(&first).await?;
            for number in &first {
                match self.outcomes[*number] {
                    SendOutcome::Durable => openings.open(self.place(*number), Instant::now()),
                    // The producer's queue is full: all others come later.
                    SendOutcome::Full => return Ok(Vec::new()),
                    SendOutcome::Held | SendOutcome::Refused(_) => {}
                }
            }
            left.retain(|number| first.binary_search(number).is_err());
        }
    }

    /// Sends these messages and waits for what becomes of them.
    async fn all(&mut self, numbers: &[usize]) -> Result<(), BackendError> {
        if numbers.is_empty() {
            return Ok(());
        }
        let taken = self.hand_over(numbers)?;
        let mut failures = taken.refused;
        failures.extend(taken.reports.await.map_err(|_| not_run("the delivery reports of a batch"))?);
        let openings = &self.producer.client().context().openings;
        failures.iter().for_each(|(number, _)| openings.close(self.place(*number)));
        if let Some((code, text)) = self.producer.client().fatal_error() {
            self.cluster.discard(&self.producer);
            tracing::error!(code = ?code, reason = %text, "the Kafka producer has failed for good and is replaced");
            return Err(failed(
                "the Kafka producer failed for good; a new one takes its place",
                KafkaError::Global(code),
            ));
        }
        for number in &numbers[..taken.tried] {
            self.outcomes[*number] = SendOutcome::Durable;
        }
        for (number, code) in failures {
            let event = &self.batch[number].event;
            if !is_for_its_own_sake(code) {
                return Err(not_delivered(self.cluster, &event.topic, code));
            }
            // A batch that is too large for the broker fails as a whole; its messages may not be.
            let alone = if numbers.len() == 1 { Some(code) } else { self.alone(number).await? };
            if let Some(code) = alone {
                self.outcomes[number] = SendOutcome::Refused(reason(event, code).into());
            }
        }
        Ok(())
    }

    fn hand_over(&self, numbers: &[usize]) -> Result<Taken, BackendError> {
        let reports = self.producer.client().context();
        let mut ticket = reports.begin();
        let (mut tried, mut refused) = (0, Failures::new());
        let mut stopped = None;
        for number in numbers {
            let (event, partition) = (&self.batch[*number].event, self.partitions[*number]);
            match enqueue(&self.producer, event, partition, ticket.mark(*number)) {
                Ok(()) => ticket.sent(),
                Err(KafkaError::MessageProduction(Code::QueueFull)) => break,
                Err(KafkaError::MessageProduction(code)) if is_for_its_own_sake(code) => {
                    refused.push((*number, code))
                }
                Err(error) => {
                    stopped = Some((error, *number));
                    break;
                }
            }
            tried += 1;
        }
        let taken = Taken { tried, refused, reports: reports.end(ticket) };
        match stopped {
            // A fatal error is seen by the caller, which needs the reports of the rest for nothing.
            Some((error, number)) if self.producer.client().fatal_error().is_none() => {
                Err(failed(format!("topic {} takes no events", self.batch[number].event.topic), error))
            }
            Some(_) | None => Ok(taken),
        }
    }

    /// Sends one message by itself; gives why it is refused, if it is.
    async fn alone(&self, number: usize) -> Result<Option<Code>, BackendError> {
        let taken = self.hand_over(&[number])?;
        let mut failures = taken.refused;
        failures.extend(taken.reports.await.map_err(|_| not_run("the delivery report of a message"))?);
        match failures.first() {
            None if taken.tried == 1 => Ok(None),
            None => Err(BackendError::new(ErrorKind::Transient, "the producer's queue is full")),
            Some((_, code)) if is_for_its_own_sake(*code) => Ok(Some(*code)),
            Some((_, code)) => Err(not_delivered(self.cluster, &self.batch[number].event.topic, *code)),
        }
    }
}

fn enqueue(producer: &Producer, event: &Event, partition: u32, mark: usize) -> Result<(), KafkaError> {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let run_id = &*event.run_id.as_uuid().hyphenated().encode_lower(&mut buffer);
    let status = event.status.get().to_string();
    let record = BaseRecord::with_opaque_to(event.topic.as_str(), mark)
        .partition(number(partition))
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
