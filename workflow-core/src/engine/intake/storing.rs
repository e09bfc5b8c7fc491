//! How the outcome of work is stored, and what the store's answer means for the event.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::judging::{ERROR_BACK_OFF, STALE_WAIT};
use super::{Answer, Ended, Moved, Stretch};
use crate::RunId;
use crate::adapter::{BackendError, Change, ErrorKind, Outcome};
use crate::engine::commit::{answered, is_attached};
use crate::engine::work::Task;

/// The wait after a failure of the store doubles so often: up to 12.8 s.
const DOUBLINGS_MAX: u32 = 6;

/// Work of one committer's runs, with what is to be stored of it.
type Part = (Vec<(RunId, Task, Moved)>, Vec<Change>);

impl Stretch<'_> {
    pub(super) fn submit(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let lanes = self.hub.commits.lanes();
        let mut parts: Vec<Part> = Vec::new();
        parts.resize_with(lanes, Default::default);
        for (task, change) in self.changes.drain(..) {
            // The user's own work may be slow, and may wait for others: nobody else's change waits with it.
            let part = match is_attached(&change) {
                true => {
                    parts.push(Default::default());
                    parts.len() - 1
                }
                false => self.hub.commits.lane_number(change.run_id),
            };
            let (tasks, changes) = &mut parts[part];
            let moved = change.record.as_ref().map(|next| (task.record.run_state, next.run_state));
            tasks.push((task.record.run_id, task, moved));
            changes.push(*change);
        }
        for (tasks, changes) in parts.into_iter().filter(|(tasks, _)| !tasks.is_empty()) {
            let answer = self.hub.commits.submit(changes);
            self.committing.push(Box::pin(wait_for_answer(tasks, answer)));
        }
    }

    pub(super) fn answered(&mut self, (tasks, answer): Answer) {
        match answer {
            Ok(outcomes) => {
                for ((run_id, task, moved), outcome) in tasks.into_iter().zip(outcomes) {
                    self.outcome(run_id, task, moved, outcome);
                }
            }
            Err(error) => {
                self.metrics.error();
                self.superseded |= error.kind() == ErrorKind::Closed;
                for (run_id, _, _) in tasks {
                    self.unstored(run_id);
                }
            }
        }
    }

    /// The store failed: the event is judged again after a wait that grows, since its step may have to run again.
    fn unstored(&mut self, run_id: RunId) {
        let Some(flight) = self.flights.get_mut(&run_id) else { return };
        let doublings = flight.unstored.min(DOUBLINGS_MAX);
        flight.unstored += 1;
        self.again_after(run_id, ERROR_BACK_OFF * (1 << doublings));
    }

    fn outcome(&mut self, run_id: RunId, task: Task, moved: Moved, outcome: Outcome) {
        match outcome {
            Outcome::Stored(_) => {
                if let Some((from, to)) = moved {
                    self.totals.run_state_changed(from, to);
                }
                self.done(run_id);
            }
            Outcome::DuplicateKey => self.done(run_id),
            Outcome::SupersededEpoch { current } => {
                tracing::warn!(process = %self.process, current = %current, "the role has a later owner");
                self.superseded = true;
            }
            Outcome::AttachedFailed(reason) => {
                let work = Arc::clone(self.work);
                self.running.spawn(async move {
                    let made = work.failed(&task, crate::retryable(reason.to_string())).await;
                    Ended { run_id, task: Some(task), made }
                });
            }
            Outcome::Busy => self.again_after(run_id, STALE_WAIT),
            Outcome::VersionConflict { .. } | Outcome::Missing => {
                self.totals.conflict();
                self.judge_again(run_id);
            }
            Outcome::DuplicateActiveRun { .. } | Outcome::DuplicateStartKey { .. } => {
                tracing::error!(run_id = %run_id, ?outcome, "the store refused a move as if it were a new run");
                self.again_after(run_id, ERROR_BACK_OFF);
            }
        }
    }
}

async fn wait_for_answer(
    tasks: Vec<(RunId, Task, Moved)>,
    answer: oneshot::Receiver<Result<Vec<Outcome>, BackendError>>,
) -> Answer {
    (tasks, answered(answer).await)
}
