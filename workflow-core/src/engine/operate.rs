//! What an operator does to a run: pause, resume, cancel, delete its data.

use super::callback::CONTENTION_MAX;
use super::core::{Core, Object, unexpected};
use super::failure::shorten;
use super::moves::Stamp;
use crate::adapter::Outcome;
use crate::{Actor, Error, Move, PausedBy, RunId, Status, Transition};

impl<T: Object, S: Status> Core<T, S> {
    pub(crate) async fn pause(&self, run_id: RunId, reason: &str) -> Result<(), Error> {
        self.operate(run_id, Move::Pause { reason: shorten(reason), by: PausedBy::Operator }).await
    }

    pub(crate) async fn resume(&self, run_id: RunId) -> Result<(), Error> {
        self.operate(run_id, Move::Resume).await
    }

    pub(crate) async fn cancel(&self, run_id: RunId, reason: &str) -> Result<(), Error> {
        self.operate(run_id, Move::Cancel { reason: shorten(reason) }).await
    }

    pub(crate) async fn delete_data(&self, run_id: RunId, reason: &str) -> Result<(), Error> {
        self.operate(run_id, Move::RequestDelete { reason: shorten(reason) }).await
    }

    /// Makes a move on the run as it is now; a run that others store meanwhile is looked at again.
    async fn operate(&self, run_id: RunId, to: Move) -> Result<(), Error> {
        for _ in 0..CONTENTION_MAX {
            let record = self.lookup(run_id).await?;
            let transition = Transition { to: to.clone(), object: None };
            let change = self
                .change(&record, transition, None, Stamp::outside(Actor::Operator))
                .map_err(|refusal| Error::Refused { run_id, refusal })?;
            let now = change.record.as_ref().map_or(record.run_state, |next| next.run_state);
            match self.hub.commit_one(change).await? {
                Outcome::Stored(_) => {
                    self.signals.cancel(run_id, record.version.next());
                    self.metrics.run_state_changed(record.run_state, now);
                    return Ok(());
                }
                Outcome::VersionConflict { .. } | Outcome::Busy | Outcome::Missing => self.metrics.conflict(),
                other => return Err(unexpected(&other).into()),
            }
        }
        Err(Error::Contended { run_id, attempts: CONTENTION_MAX })
    }
}
