//! What many callers look up at once: one query for all that wait.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::adapter::{BackendError, BoxFuture, DynStore, ErrorKind, Found, RetryKey, RetryRow};
use crate::{Record, RunId};

/// How many rows one query looks up.
const LOOKUP_MAX: usize = 500;

type Request<K, V> = (K, oneshot::Sender<Result<V, BackendError>>);

/// Where runs and retry rows are looked up one by one. A call that finds nobody waiting is a query of its own; those that come
/// while it is under way share the next one.
pub(crate) struct Lookups {
    records: mpsc::UnboundedSender<Request<RunId, Option<Arc<Record>>>>,
    retries: mpsc::UnboundedSender<Request<RetryKey, Option<RetryRow>>>,
}

impl Lookups {
    /// Starts the tasks that ask the store. They end when this is dropped.
    pub(crate) fn start(store: &Arc<dyn DynStore>) -> Self {
        Self { records: asking(Records(Arc::clone(store))), retries: asking(Retries(Arc::clone(store))) }
    }

    /// The record of a run as the store has it, read after this was called.
    pub(crate) async fn get(&self, run_id: RunId) -> Result<Option<Arc<Record>>, BackendError> {
        ask(&self.records, run_id).await
    }

    /// A retry row as the store has it, read after this was called.
    pub(crate) async fn retry(&self, key: &RetryKey) -> Result<Option<RetryRow>, BackendError> {
        ask(&self.retries, key.clone()).await
    }
}

/// What is asked of the store for many at once.
trait Question: Send + Sync + 'static {
    type Key: Send + Sync;
    type Value: Send;

    fn ask<'a>(&'a self, keys: &'a [Self::Key]) -> BoxFuture<'a, Answers<Self::Value>>;
}

/// An answer for each key, in the order asked.
type Answers<V> = Result<Vec<Result<V, BackendError>>, BackendError>;

struct Records(Arc<dyn DynStore>);

impl Question for Records {
    type Key = RunId;
    type Value = Option<Arc<Record>>;

    fn ask<'a>(&'a self, keys: &'a [RunId]) -> BoxFuture<'a, Result<Vec<Found>, BackendError>> {
        self.0.lookup(keys)
    }
}

struct Retries(Arc<dyn DynStore>);

impl Question for Retries {
    type Key = RetryKey;
    type Value = Option<RetryRow>;

    fn ask<'a>(&'a self, keys: &'a [RetryKey]) -> BoxFuture<'a, Answers<Option<RetryRow>>> {
        Box::pin(async move { Ok(self.0.retries(keys).await?.into_iter().map(Ok).collect()) })
    }
}

async fn ask<K, V>(requests: &mpsc::UnboundedSender<Request<K, V>>, key: K) -> Result<V, BackendError> {
    let (reply, answer) = oneshot::channel();
    // A task that is gone drops the reply, which is read as closed.
    let _ = requests.send((key, reply));
    let closed = || Err(BackendError::new(ErrorKind::Closed, "the engine has ended"));
    answer.await.unwrap_or_else(|_| closed())
}

fn asking<Q: Question>(question: Q) -> mpsc::UnboundedSender<Request<Q::Key, Q::Value>> {
    let (requests, queue) = mpsc::unbounded_channel();
    tokio::spawn(answer_all(question, queue));
    requests
}

async fn answer_all<Q: Question>(question: Q, mut queue: mpsc::UnboundedReceiver<Request<Q::Key, Q::Value>>) {
    let mut requests = Vec::new();
    while queue.recv_many(&mut requests, LOOKUP_MAX).await > 0 {
        let (keys, replies): (Vec<_>, Vec<_>) = requests.drain(..).unzip();
        match question.ask(&keys).await {
            Ok(found) => {
                for (reply, value) in replies.into_iter().zip(found) {
                    // The caller may have stopped waiting.
                    let _ = reply.send(value);
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }
}
