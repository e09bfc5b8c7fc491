//! Runs that many callers look up at once: one query for all that wait.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::adapter::{BackendError, DynStore, ErrorKind, Found};
use crate::{Record, RunId};

/// How many runs one query looks up.
const LOOKUP_MAX: usize = 500;

type Request = (RunId, oneshot::Sender<Found>);

/// Where runs are looked up one by one. A call that finds nobody waiting is a query of its own; those that come while
/// it is under way share the next one.
pub(crate) struct Lookups {
    requests: mpsc::UnboundedSender<Request>,
}

impl Lookups {
    /// Starts the task that asks the store. It ends when this is dropped.
    pub(crate) fn start(store: &Arc<dyn DynStore>) -> Self {
        let (requests, queue) = mpsc::unbounded_channel();
        tokio::spawn(answer_all(Arc::clone(store), queue));
        Self { requests }
    }

    /// The record of a run as the store has it, read after this was called.
    pub(crate) async fn get(&self, run_id: RunId) -> Result<Option<Arc<Record>>, BackendError> {
        let (reply, answer) = oneshot::channel();
        // A task that is gone drops the reply, which is read as closed.
        let _ = self.requests.send((run_id, reply));
        let closed = || Err(BackendError::new(ErrorKind::Closed, "the engine has ended"));
        answer.await.unwrap_or_else(|_| closed())
    }
}

async fn answer_all(store: Arc<dyn DynStore>, mut queue: mpsc::UnboundedReceiver<Request>) {
    let mut requests = Vec::new();
    while queue.recv_many(&mut requests, LOOKUP_MAX).await > 0 {
        let runs: Vec<RunId> = requests.iter().map(|(run_id, _)| *run_id).collect();
        match store.lookup(&runs).await {
            Ok(found) => {
                for ((_, reply), record) in requests.drain(..).zip(found) {
                    // The caller may have stopped waiting.
                    let _ = reply.send(record);
                }
            }
            Err(error) => {
                for (_, reply) in requests.drain(..) {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }
}
