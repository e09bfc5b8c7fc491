//! Delivery reports, gathered into one answer for each batch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tokio::sync::oneshot;

use crate::client::Clients;
use crate::cluster::lock;
use crate::openings::Openings;

// A report bears the number of its batch in the upper half of a pointer and its place in the batch in the lower one.
const _: () = assert!(usize::BITS == 64, "reports are told apart by 64 bits");

/// The messages of a batch that were not delivered, with the reason, in no order.
pub(crate) type Failures = Vec<(usize, RDKafkaErrorCode)>;

/// Hears of every message what became of it. No message has an allocation of its own for that.
pub(crate) struct Reports {
    clients: Arc<Clients>,
    /// Where the producer may have several requests under way.
    pub(crate) openings: Openings,
    batches: Mutex<Batches>,
}

#[derive(Default)]
struct Batches {
    last: u32,
    open: HashMap<u32, Batch>,
}

struct Batch {
    /// Messages without a report, and one more as long as the batch may grow.
    left: usize,
    failures: Failures,
    done: oneshot::Sender<Failures>,
}

/// A batch that is being handed over.
pub(crate) struct Ticket {
    number: u32,
    sent: usize,
    done: oneshot::Receiver<Failures>,
}

impl Reports {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients, openings: Openings::default(), batches: Mutex::default() }
    }

    /// Begins a batch.
    pub(crate) fn begin(&self) -> Ticket {
        let (sender, done) = oneshot::channel();
        let mut batches = lock(&self.batches);
        batches.last = batches.last.wrapping_add(1);
        let number = batches.last;
        batches.open.insert(number, Batch { left: usize::MAX, failures: Failures::new(), done: sender });
        Ticket { number, sent: 0, done }
    }

    /// Ends the batch: it is done when all reports of what was sent are there.
    pub(crate) fn end(&self, ticket: Ticket) -> oneshot::Receiver<Failures> {
        self.reported(ticket.number, None, usize::MAX - ticket.sent);
        ticket.done
    }

    fn reported(&self, number: u32, failure: Option<(usize, RDKafkaErrorCode)>, messages: usize) {
        let mut batches = lock(&self.batches);
        let Some(batch) = batches.open.get_mut(&number) else { return };
        batch.failures.extend(failure);
        batch.left -= messages;
        if batch.left == 0
            && let Some(batch) = batches.open.remove(&number)
        {
            // Whoever asked may have gone: the rows are still in the outbox then.
            let _ = batch.done.send(batch.failures);
        }
    }
}

impl Ticket {
    /// What the report of the batch's message at a place bears.
    pub(crate) fn mark(&self, place: usize) -> usize {
        ((self.number as usize) << 32) | place
    }

    /// One more was taken by the producer.
    pub(crate) fn sent(&mut self) {
        self.sent += 1;
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        self.clients.met(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, mark: usize) {
        let (number, place) = ((mark >> 32) as u32, mark & 0xffff_ffff);
        let failure = result
            .as_ref()
            .err()
            .map(|(error, _)| (place, error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)));
        self.reported(number, failure, 1);
    }
}
