//! The one write path: what many runs want stored, in one transaction.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::Instrument;

use super::acks::Acks;
use super::due::DueHints;
use super::moved::Moved;
use super::outbox::Outbox;
use super::waiters::Waiters;
use crate::adapter::{BackendError, Change, DynStore, Effect, ErrorKind, OutboxRow, Outcome, Publication};
use crate::{EventId, RunId};

/// How long settled rows wait for a commit to ride along with, before one is made for them alone.
const ACK_LINGER: Duration = Duration::from_millis(20);

/// How many changes with work of the user's are made at once, for each committer.
const ASIDE_MAX: usize = 4;

/// What was asked, and what became of it.
type Answer = Result<Vec<Outcome>, BackendError>;

struct Submission {
    changes: Vec<Change>,
    reply: oneshot::Sender<Answer>,
}

/// Where everything that is to be stored is handed in.
pub(crate) struct CommitQueue {
    lanes: Vec<mpsc::UnboundedSender<Submission>>,
    keeper: Arc<Keeper>,
    /// For changes with work of the user's, which may be slow and must hold up no lane.
    aside: Arc<Semaphore>,
}

/// What a committer tells others of what it stored.
#[derive(Clone)]
pub(crate) struct Aftermath {
    pub(crate) acks: Arc<Acks>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) due: Arc<DueHints>,
    pub(crate) moved: Arc<Moved>,
}

impl CommitQueue {
    /// Starts as many committers as the store can use. They end when the queue is dropped.
    pub(crate) fn start(store: &Arc<dyn DynStore>, aftermath: &Aftermath) -> Self {
        let keeper = Arc::new(Keeper { store: Arc::clone(store), aftermath: aftermath.clone() });
        let committers = store.limits().committers.max(1);
        let lanes = (0..committers).map(|number| {
            let (lane, submissions) = mpsc::unbounded_channel();
            let committer = Committer {
                keeper: Arc::clone(&keeper),
                submissions,
                takes_acks: number == 0,
                batch_max: store.limits().batch_changes_max.max(1),
            };
            tokio::spawn(committer.run());
            lane
        });
        let lanes = lanes.collect();
        Self { lanes, keeper, aside: Arc::new(Semaphore::new(ASIDE_MAX * committers)) }
    }

    /// Stores changes; the answers are in their order. Dropping the future does not take them back.
    ///
    /// All of one call go into one transaction where they fit, and those of one run always through one committer; but for
    /// those with work of the user's, which are made beside the others and are handed in one by one.
    pub(crate) fn submit(&self, changes: Vec<Change>) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        if changes.iter().any(is_attached) {
            self.make_aside(Submission { changes, reply });
            return answer;
        }
        let lane = match changes.first() {
            Some(change) => self.lane_of(change.run_id),
            None => &self.lanes[0],
        };
        // A committer that is gone drops the reply, which `answered` reads as closed.
        let _ = lane.send(Submission { changes, reply });
        answer
    }

    fn make_aside(&self, submission: Submission) {
        let (keeper, aside) = (Arc::clone(&self.keeper), Arc::clone(&self.aside));
        tokio::spawn(async move {
            // Nobody closes it; and if, the reply is dropped as by a committer that is gone.
            let Ok(_permit) = aside.acquire().await else { return };
            keeper.commit(vec![submission], Vec::new()).await;
        });
    }

    /// Stores changes and waits.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Answer {
        answered(self.submit(changes)).await
    }

    /// Stores one change and waits.
    pub(crate) async fn commit_one(&self, change: Change) -> Result<Outcome, BackendError> {
        let mut outcomes = self.commit(vec![change]).await?;
        outcomes
            .pop()
            .ok_or_else(|| BackendError::new(ErrorKind::Corrupt, "the store did not answer a change"))
    }

    /// How many committers there are; changes of runs in different lanes are not stored in one transaction.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Which committer stores the changes of a run.
    pub(crate) fn lane_number(&self, run_id: RunId) -> usize {
        if self.lanes.len() == 1 { 0 } else { usize::from(run_id.bucket()) % self.lanes.len() }
    }

    fn lane_of(&self, run_id: RunId) -> &mpsc::UnboundedSender<Submission> {
        &self.lanes[self.lane_number(run_id)]
    }
}

/// Waits for an answer of a committer.
pub(crate) async fn answered(answer: oneshot::Receiver<Answer>) -> Answer {
    answer.await.unwrap_or_else(|_| Err(BackendError::new(ErrorKind::Closed, "the engine has ended")))
}

/// Stores what is handed in, and tells everybody.
struct Keeper {
    store: Arc<dyn DynStore>,
    aftermath: Aftermath,
}

struct Committer {
    keeper: Arc<Keeper>,
    submissions: mpsc::UnboundedReceiver<Submission>,
    takes_acks: bool,
    batch_max: usize,
}

/// What a committer remembers of a change while the store has it.
struct Noted {
    row: Option<OutboxRow>,
    outside: bool,
}

impl Committer {
    async fn run(mut self) {
        while let Some(batch) = self.next().await {
            let acked = if self.takes_acks { self.keeper.aftermath.acks.take() } else { Vec::new() };
            self.keeper.commit(batch, acked).await;
        }
    }

    /// Waits for submissions, or for rows to delete; `None` when the queue is gone.
    async fn next(&mut self) -> Option<Vec<Submission>> {
        let mut batch = Vec::new();
        match self.first().await {
            Woken::Submission(first) => batch.push(first),
            Woken::Acks => return Some(batch),
            Woken::Closed => return None,
        }
        let mut changes = batch[0].changes.len();
        while changes < self.batch_max {
            let Ok(more) = self.submissions.try_recv() else { break };
            changes += more.changes.len();
            batch.push(more);
        }
        Some(batch)
    }

    async fn first(&mut self) -> Woken {
        loop {
            let acks = &self.keeper.aftermath.acks;
            let waiting = self.takes_acks && !acks.is_empty();
            tokio::select! {
                biased;
                first = self.submissions.recv() => {
                    return first.map_or(Woken::Closed, Woken::Submission);
                }
                () = self.keeper.store.clock().sleep(ACK_LINGER), if waiting => return Woken::Acks,
                () = acks.arrived.notified(), if self.takes_acks && !waiting => {}
            }
        }
    }
}

impl Keeper {
    async fn commit(&self, batch: Vec<Submission>, acked: Vec<EventId>) {
        let mut changes = Vec::with_capacity(batch.iter().map(|each| each.changes.len()).sum());
        let mut replies = Vec::with_capacity(batch.len());
        for Submission { changes: part, reply } in batch {
            replies.push((part.len(), reply));
            changes.extend(part);
        }
        let noted: Vec<Noted> = changes.iter().map(note).collect();
        let earliest_due = self.aftermath.due.earliest_of(&changes);
        let span = tracing::debug_span!("commit", changes = changes.len(), acked = acked.len());
        let answer = self.store.commit(changes, acked.clone()).instrument(span.clone()).await;
        span.in_scope(|| tracing::debug!(stored = answer.is_ok(), "commit ended"));
        self.aftermath.acks.left(acked, answer.is_ok());
        match answer {
            Ok(outcomes) => {
                self.aftermath.due.ring(earliest_due);
                self.stored(&noted, outcomes, replies).await;
            }
            Err(error) => self.failed(&error, replies).await,
        }
    }

    async fn stored(
        &self,
        noted: &[Noted],
        outcomes: Vec<Outcome>,
        replies: Vec<(usize, oneshot::Sender<Answer>)>,
    ) {
        let mut publications = Vec::with_capacity(outcomes.len());
        let now = self.store.clock().now();
        for (noted, outcome) in noted.iter().zip(&outcomes) {
            let Outcome::Stored(record) = outcome else { continue };
            if let Some(record) = record {
                self.aftermath.waiters.tell(record);
                if noted.outside {
                    self.aftermath.moved.note(record);
                }
            }
            if let Some(OutboxRow { id, event }) = &noted.row {
                publications.push(Publication {
                    row: *id,
                    event: Arc::clone(event),
                    record: record.clone(),
                    at: now,
                });
            }
        }
        self.aftermath.outbox.publish(publications).await;
        let mut outcomes = outcomes.into_iter();
        for (count, reply) in replies {
            // The caller may have stopped waiting; what is stored stays stored.
            let _ = reply.send(Ok(outcomes.by_ref().take(count).collect()));
        }
    }

    /// What was stored by a commit whose answer is lost is known to the store alone.
    async fn tell_waiters(&self) {
        match self.store.lookup(&self.aftermath.waiters.runs()).await {
            Ok(found) => {
                found.iter().flatten().flatten().for_each(|record| self.aftermath.waiters.tell(record));
            }
            Err(error) => {
                tracing::warn!(error = %super::with_causes(&error), "runs that are waited for cannot be read")
            }
        }
    }

    async fn failed(&self, error: &BackendError, replies: Vec<(usize, oneshot::Sender<Answer>)>) {
        tracing::warn!(error = %super::with_causes(error), changes = replies.iter().map(|(count, _)| count).sum::<usize>(), "commit failed");
        if error.kind() == ErrorKind::UnknownOutcome {
            self.aftermath.outbox.read_table();
            self.aftermath.due.dealt_with();
            self.tell_waiters().await;
        }
        for (_, reply) in replies {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

enum Woken {
    Submission(Submission),
    Acks,
    Closed,
}

/// Whether work of the user's goes with a change.
pub(crate) fn is_attached(change: &Change) -> bool {
    change.effects.iter().any(|effect| matches!(effect, Effect::Attached(_)))
}

fn note(change: &Change) -> Noted {
    // A step's own commit is followed by its own event; only others can make an event at hand out of date.
    let of_another =
        |effect: &Effect| matches!(effect, Effect::CompleteTimer(_) | Effect::ApplyCallback { .. });
    let outside = change.fence.is_none() || change.effects.iter().any(of_another);
    Noted { row: change.outbox.clone(), outside: outside && change.record.is_some() }
}

/// When the earliest timer or retry of a change is due.
pub(crate) fn dues(change: &Change) -> impl Iterator<Item = crate::Due> + '_ {
    change.effects.iter().filter_map(|effect| match effect {
        Effect::PutTimer(timer) => Some(timer.due),
        Effect::PutRetry(retry) | Effect::ReplaceRetry(retry) => retry.due,
        Effect::ReleaseTimers => Some(crate::Due::In(Duration::ZERO)),
        _ => None,
    })
}

/// A row's id from its text.
pub(crate) fn row_id(text: &str) -> Option<EventId> {
    text.parse().ok()
}
