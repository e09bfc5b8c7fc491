//! What becomes of an event before and after its work, as far as that is not storing: judged by the store, looked at
//! again, or set aside.

use std::sync::Arc;
use std::time::Duration;

use super::{Ended, Stretch};
use crate::adapter::{Change, Delivery, Effect, Expect, Position, Reach};
use crate::engine::failure::dead_letter;
use crate::engine::work::{Made, Task};
use crate::{Record, RunId, Skip, Verdict, judge};

/// How long a consumer waits before it goes on after the store failed.
pub(super) const ERROR_BACK_OFF: Duration = Duration::from_millis(200);

/// How often an event that is ahead of its record is looked at again, and how long between: a replica may lag.
const STALE_LOOKS: u32 = 5;
pub(super) const STALE_WAIT: Duration = Duration::from_millis(100);

/// How often work may end in a refusal before its event is parked.
const REFUSALS_MAX: u32 = 50;

/// An event so old whose run is gone is no riddle: the run has ended, and was deleted with what belongs to it. A stream
/// that keeps its events gives them again when a group begins anew.
const PURGED_AFTER: Duration = Duration::from_hours(24);

impl Stretch<'_> {
    /// Judges events by what the store has: one query for all of them.
    pub(super) async fn judge_by_store(&mut self) {
        let events = std::mem::take(&mut self.to_judge);
        let runs: Vec<RunId> = events.iter().map(|delivery| delivery.event.run_id).collect();
        match self.hub.store.lookup(&runs).await {
            Ok(records) => {
                for (delivery, found) in events.into_iter().zip(records) {
                    match found {
                        Ok(record) => self.judged(delivery, record),
                        Err(error) => self.park(&delivery, &crate::engine::with_causes(&error)),
                    }
                }
            }
            Err(error) => {
                tracing::warn!(process = %self.process, error = %crate::engine::with_causes(&error), "records cannot be read");
                for delivery in events {
                    self.again_after(delivery.event.run_id, ERROR_BACK_OFF);
                }
            }
        }
    }

    fn judged(&mut self, delivery: Delivery, record: Option<Arc<Record>>) {
        let run_id = delivery.event.run_id;
        if let Some(record) = &record
            && record.workflow_name != *self.workflow
        {
            let reason = format!("the run is of workflow {}, not {}", record.workflow_name, self.workflow);
            return self.park(&delivery, &reason);
        }
        match (judge(&delivery.event, record.as_deref(), self.work.consumer()), record) {
            (Verdict::Process, Some(record)) => self.start(&delivery, record, false),
            (Verdict::Stale, Some(record)) => self.look_again(&delivery, &record),
            (Verdict::Skip(Skip::Missing), _) | (_, None) => self.missing(&delivery),
            (Verdict::Skip(reason), _) => {
                self.metrics.skipped(reason);
                self.done(run_id);
            }
        }
    }

    /// An event is ahead of its record: the record is read again, and if that does not help, the event is parked.
    fn look_again(&mut self, delivery: &Delivery, record: &Record) {
        let run_id = delivery.event.run_id;
        let Some(flight) = self.flights.get_mut(&run_id) else { return };
        flight.looks += 1;
        if flight.looks < STALE_LOOKS {
            return self.again_after(run_id, STALE_WAIT);
        }
        let stale = delivery.event.version.map_or(0, crate::Version::get);
        let reason = format!("the event is of version {stale}, the store has version {}", record.version);
        self.park(delivery, &reason);
    }

    fn missing(&mut self, delivery: &Delivery) {
        let event = &delivery.event;
        self.metrics.skipped(Skip::Missing);
        if self.hub.clock.now().since(delivery.at) > PURGED_AFTER {
            return self.done(event.run_id);
        }
        self.park(delivery, "there is no such run");
    }

    fn park(&mut self, delivery: &Delivery, reason: &str) {
        let (event, reason) = (&delivery.event, self.placed(delivery, reason));
        tracing::warn!(run_id = %event.run_id, process = %self.process, %reason, "event is set aside");
        self.totals.dead_letter();
        let mut change = Change::new(event.run_id, Expect::Nothing);
        change.effects.push(Effect::PutDeadLetter(dead_letter(event, self.process, &reason)));
        self.submit_alone(event.run_id, change);
    }

    /// A reason with where the event is to be found. Within a process a topic ends with the process, and no place is of use.
    fn placed(&self, delivery: &Delivery, reason: &str) -> String {
        let Position { partition, offset } = delivery.position;
        match self.hub.streamer.reach() {
            Reach::Process => reason.to_owned(),
            Reach::Cluster => {
                format!("{reason} (topic {}, partition {partition}, offset {offset})", self.topic)
            }
        }
    }

    /// Stores a change that has no task: a dead letter.
    fn submit_alone(&mut self, run_id: RunId, change: Change) {
        let hub = Arc::clone(self.hub);
        self.running.spawn(async move {
            let made = match hub.commits.commit_one(change).await {
                Ok(_) => Made::Nothing,
                Err(error) => Made::later(&error, "a dead letter"),
            };
            Ended { run_id, task: None, made }
        });
    }

    /// The work could not be stored as the run is now. That ends by itself when the run has settled; if it does not,
    /// the event is parked.
    pub(super) fn refused_again(&mut self, run_id: RunId, task: &Task) {
        let Some(flight) = self.flights.get_mut(&run_id) else { return };
        flight.looks += 1;
        match flight.looks {
            1 => self.judge_again(run_id),
            looks if looks < REFUSALS_MAX => self.again_after(run_id, STALE_WAIT),
            _ => {
                let (delivery, state) = (flight.delivery.clone(), task.record.run_state);
                self.park(&delivery, &format!("a run that is {state} cannot be moved"));
            }
        }
    }

    pub(super) fn judge_again(&mut self, run_id: RunId) {
        if self.stopping {
            self.flights.remove(&run_id);
            return;
        }
        if let Some(flight) = self.flights.get_mut(&run_id) {
            flight.waits = false;
            self.to_judge.push(flight.delivery.clone());
        }
    }

    pub(super) fn again_after(&mut self, run_id: RunId, wait: Duration) {
        if self.stopping {
            self.flights.remove(&run_id);
            return;
        }
        if let Some(flight) = self.flights.get_mut(&run_id) {
            flight.waits = true;
        }
        let clock = Arc::clone(&self.hub.clock);
        self.running.spawn(async move {
            clock.sleep(wait).await;
            Ended { run_id, task: None, made: Made::Again }
        });
    }
}
