//! Waiting for a run to get somewhere.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::core::Object;
use super::hub::Hub;
use super::stored_run::StoredRun;
use crate::adapter::Found;
use crate::{Error, RunId, RunState, Status};

/// How many runs one query asks for.
const LOOKUP_MAX: usize = 500;

/// A run to wait for: say until when.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
/// assert!(running.wait_for(&run).status(Paid).await?.is_reached());
/// running.pause(&run, "asked by phone").await?;
/// assert_eq!(running.wait_for(&run).at_rest().await?.run_state(), RunState::Paused);
/// # );
/// ```
pub struct Wait<'a, T, S> {
    client: &'a Client<T, S>,
    run_id: RunId,
}

/// How the wait for a status ended.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
/// let awaited = running.wait_for(&run).status(Shipped).await?;
/// assert!(!awaited.is_reached());
/// assert_eq!(awaited.run().status(), Declined);
/// # );
/// ```
#[derive(Clone, Debug)]
pub enum Awaited<T, S> {
    /// The run entered the status, now or before; this is the run as it was seen last.
    Reached(StoredRun<T, S>),
    /// The run ended without entering it.
    Finished(StoredRun<T, S>),
}

impl<T, S> Awaited<T, S> {
    /// The run, however the wait ended.
    pub fn run(&self) -> &StoredRun<T, S> {
        match self {
            Awaited::Reached(run) | Awaited::Finished(run) => run,
        }
    }

    /// Whether the run entered the status.
    pub fn is_reached(&self) -> bool {
        matches!(self, Awaited::Reached(_))
    }
}

impl<'a, T: Object, S: Status> Wait<'a, T, S> {
    pub(crate) fn new(client: &'a Client<T, S>, run_id: RunId) -> Self {
        Self { client, run_id }
    }

    /// Waits until the run has ended: completed, cancelled or deleted. One that is paused has not.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such run, [`Error::UnknownStatus`] if it is where this program cannot move it.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
    /// assert_eq!(running.wait_for(&run).finished().await?.run_state(), RunState::Completed);
    /// # );
    /// ```
    pub async fn finished(self) -> Result<StoredRun<T, S>, Error> {
        self.until(RunState::is_finished).await
    }

    /// Waits until nothing will happen to the run by itself soon: it has ended, or is paused.
    ///
    /// # Errors
    /// As [`Wait::finished`].
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// running.pause(&run, "asked by phone").await?;
    /// assert_eq!(running.wait_for(&run).at_rest().await?.reason(), "asked by phone");
    /// # );
    /// ```
    pub async fn at_rest(self) -> Result<StoredRun<T, S>, Error> {
        self.until(|state| state.is_finished() || state == RunState::Paused).await
    }

    async fn until(self, reached: impl Fn(RunState) -> bool) -> Result<StoredRun<T, S>, Error> {
        let core = self.client.core();
        let mut waiting = core.hub.waiters.join(self.run_id);
        let mut record = core.lookup(self.run_id).await?;
        while !reached(record.run_state) {
            // A run in a status that this program does not have is not moved by it.
            core.status_of(&record)?;
            let Some(next) = waiting.records.recv().await else { return Err(self.let_go().await) };
            // What was told between the joining and the look-up is older than what was looked up.
            if next.version > record.version {
                record = next;
            }
        }
        self.client.stored(record)
    }

    /// Waits until the run is in a status, or has ended without it. A run that has been there and gone on counts, by
    /// its history.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such run.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// let Awaited::Reached(paid) = running.wait_for(&run).status(Paid).await? else { panic!("declined") };
    /// assert_eq!(paid.object()?.cents, 4_200);
    /// # );
    /// ```
    pub async fn status(self, wanted: S) -> Result<Awaited<T, S>, Error> {
        let core = self.client.core();
        let mut waiting = core.hub.waiters.join(self.run_id);
        let mut record = core.lookup(self.run_id).await?;
        let mut gap = true;
        loop {
            if record.status == wanted.code() {
                return Ok(Awaited::Reached(self.client.stored(record)?));
            }
            if gap && self.has_entered(wanted).await? {
                // The history may be younger than the record, which is then read once more.
                record = core.lookup(self.run_id).await?;
                return Ok(Awaited::Reached(self.client.stored(record)?));
            }
            if record.run_state.is_finished() && record.run_state != RunState::Unknown {
                return Ok(Awaited::Finished(self.client.stored(record)?));
            }
            let Some(next) = waiting.records.recv().await else { return Err(self.let_go().await) };
            gap = next.version > record.version.next();
            if next.version > record.version {
                record = next;
            }
        }
    }

    /// Why nobody tells anything of the run any more: it is gone, or the engine is.
    async fn let_go(&self) -> Error {
        self.client.core().lookup(self.run_id).await.err().unwrap_or(Error::ShuttingDown)
    }

    async fn has_entered(&self, wanted: S) -> Result<bool, Error> {
        let entered = self.client.core().hub.store.entered(&[(self.run_id, wanted.code())]).await?;
        Ok(entered.contains(&true))
    }
}

/// Looks at the runs that are waited for, as often as the store says that others may write to it: one query for all.
pub(crate) async fn poll(hub: Weak<Hub>, ceiling: Duration, life: CancellationToken) {
    loop {
        let Some(clock) = hub.upgrade().map(|hub| Arc::clone(&hub.clock)) else { return };
        tokio::select! {
            () = clock.sleep(ceiling) => {}
            () = life.cancelled() => return,
        }
        let Some(hub) = hub.upgrade() else { return };
        for runs in hub.waiters.runs().chunks(LOOKUP_MAX) {
            match hub.store.lookup(runs).await {
                Ok(records) => tell(&hub, runs, records),
                Err(error) => {
                    tracing::warn!(error = %super::with_causes(&error), "runs that are waited for cannot be read")
                }
            }
        }
    }
}

fn tell(hub: &Hub, runs: &[RunId], records: Vec<Found>) {
    for (run_id, found) in runs.iter().zip(&records) {
        match found {
            Ok(Some(record)) => hub.waiters.tell(record),
            // Who waits looks once more, and is told why.
            Ok(None) | Err(_) => hub.waiters.let_go(*run_id),
        }
    }
}
