//! What all clients of librdkafka share: their errors are counted, and their end holds up nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::sync::Notify;

/// How often the errors of the clients are told at most: a broker that is away makes several a second.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// The clients of one streamer.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    alive: AtomicUsize,
    one_ended: Notify,
    errors: AtomicU64,
    told: Mutex<Option<(Instant, u64)>>,
}

impl Clients {
    /// How many clients are open.
    pub(crate) fn alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }

    /// How many errors the clients have met that they deal with themselves, as a lost connection.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Counts an error that ends by itself, and tells of it now and then.
    pub(crate) fn met(&self, error: &KafkaError, what: &str) {
        let count = self.errors.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *told {
            Some((at, _)) if at.elapsed() < TOLD_EVERY => return,
            Some((_, before)) => before,
            None => 0,
        };
        *told = Some((Instant::now(), count));
        tracing::warn!(error = %error, what, errors = count - before, "the brokers cannot be reached as they should");
    }

    /// Waits until every client has ended, at most so long; tells whether they have.
    pub(crate) async fn ended(&self, patience: Duration) -> bool {
        let all = async {
            loop {
                let ended = self.one_ended.notified();
                if self.alive() == 0 {
                    return;
                }
                ended.await;
            }
        };
        tokio::time::timeout(patience, all).await.is_ok()
    }
}

/// A client that ends on a thread of its own: dropping one can take as long as a session when no broker answers.
pub(crate) struct Kept<C: Send + 'static> {
    client: Option<C>,
    clients: Arc<Clients>,
}

impl<C: Send + 'static> Kept<C> {
    pub(crate) fn new(client: C, clients: &Arc<Clients>) -> Self {
        clients.alive.fetch_add(1, Ordering::AcqRel);
        Self { client: Some(client), clients: Arc::clone(clients) }
    }
}

impl<C: Send + 'static> std::ops::Deref for Kept<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.client.as_ref().expect("it is taken out only when it is dropped")
    }
}

impl<C: Send + 'static> Drop for Kept<C> {
    fn drop(&mut self) {
        let (client, clients) = (self.client.take(), Arc::clone(&self.clients));
        let end = move || {
            drop(client);
            clients.alive.fetch_sub(1, Ordering::AcqRel);
            clients.one_ended.notify_waiters();
        };
        // Without a thread to be had, the closure has been dropped, and the client with it.
        if let Err(error) = std::thread::Builder::new().name("kafka-close".into()).spawn(end) {
            tracing::warn!(%error, "a Kafka client ended without a thread of its own");
        }
    }
}

/// Hears what a client has to say for itself.
pub(crate) struct Context(pub(crate) Arc<Clients>);

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        self.0.met(&error, reason);
    }
}

impl ConsumerContext for Context {}
