//! Calls to a workflow.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::Instrument;

use super::callback::Call;
use super::core::{Core, Object};
use super::metrics::{Metrics, ProcessState};
use super::stored_run::{RunPage, StoredRun};
use super::trace::BATCHES;
use super::trigger::{Start, Trigger};
use super::wait::Wait;
use crate::adapter::{BoxFuture, DeadLetter, HistoryQuery, ListQuery};
use crate::definition::CallbackOutcome;
use crate::{Error, ForeignId, HistoryEntry, Record, RunId, Status};

/// How many runs one slice of a purge deletes, so that others get their turn.
const PURGE_SLICE: usize = 500;

/// How much of a history is read at once.
const HISTORY_PAGE: usize = 1000;

/// How many runs one commit of [`Client::trigger_all`] starts.
const TRIGGER_SLICE: usize = 1000;

/// A workflow on a backend, for those who call it. Cheap to clone; it runs no processes of its own.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let client: Client<Order, OrderStatus> = running.client();
/// let run = client.trigger("order-17", Order { cents: 50_000 }).await?;
/// client.wait_for(&run).finished().await?;
/// assert_eq!(client.get(&run).await?.status(), Declined);
/// assert_eq!(client.latest("order-17").await?.unwrap().id(), run);
/// assert_eq!(client.list(Default::default()).await?.runs.len(), 1);
/// assert_eq!(client.history(&run).await?.len(), 2);
/// assert!(client.dead_letters(10).await?.is_empty());
/// assert!(client.states().contains_key("orders-1-consumer-1-of-1"));
/// assert_eq!(client.metrics().states(), client.states());
/// # );
/// ```
///
/// An operator sets runs aside, lets them go on, ends them, and has their data deleted:
///
/// ```
/// # use workflow_shop::*;
/// # example!(client =>
/// let run = client.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// client.pause(&run, "asked by phone").await?;
/// client.resume(&run).await?;
/// client.cancel(&run, "changed their mind").await?;
/// client.delete_data(&run, "asked by mail").await?;
/// assert_eq!(client.get(&run).await?.reason(), "asked by mail");
/// # );
/// ```
pub struct Client<T, S> {
    core: Arc<Core<T, S>>,
}

impl<T, S> Clone for Client<T, S> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<T: Object, S: Status> Client<T, S> {
    pub(crate) fn new(core: Arc<Core<T, S>>) -> Self {
        Self { core }
    }

    pub(crate) fn core(&self) -> &Arc<Core<T, S>> {
        &self.core
    }

    pub(crate) fn stored(&self, record: Arc<Record>) -> Result<StoredRun<T, S>, Error> {
        let status = self.core.status_of(&record)?;
        Ok(StoredRun::new(record, status))
    }

    /// Starts a run: await it for the run's id. [`Trigger`] tells what can be said before.
    ///
    /// # Errors
    /// [`Error::AlreadyInProgress`] if the foreign id has an unfinished run; [`Error::Name`] if the foreign id is empty
    /// or longer than 255 bytes; [`Error::TooLarge`] if the object is; and what the store says.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
    /// let again = running.trigger("order-17", Order { cents: 4_200 }).await.unwrap_err();
    /// assert!(matches!(again, Error::AlreadyInProgress { run_id, .. } if run_id == run));
    /// # );
    /// ```
    #[track_caller]
    pub fn trigger(&self, foreign_id: impl Into<String>, object: T) -> Trigger<'_, T, S> {
        Trigger::new(self, foreign_id.into(), object)
    }

    /// Starts many runs in few transactions; the answers are in the order asked, each as that of [`Client::trigger`].
    ///
    /// # Errors
    /// What the store says; then some may have been started.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let orders = (17..20).map(|number| (format!("order-{number}"), Order { cents: 4_200 }));
    /// assert_eq!(running.trigger_all(orders).await?.iter().filter(|run| run.is_ok()).count(), 3);
    /// # );
    /// ```
    #[track_caller]
    pub fn trigger_all<I>(
        &self,
        runs: I,
    ) -> impl Future<Output = Result<Vec<Result<RunId, Error>>, Error>> + Send + use<I, T, S>
    where
        I: IntoIterator,
        I::Item: Into<Start<T, S>>,
    {
        let origin: Arc<str> = std::panic::Location::caller().to_string().into();
        let core = Arc::clone(&self.core);
        let runs: Vec<Start<T, S>> = runs.into_iter().map(Into::into).collect();
        let span = tracing::debug_span!(target: BATCHES, "trigger", workflow_name = %core.definition.name, runs = runs.len());
        let started = async move {
            let mut answers = Vec::with_capacity(runs.len());
            let mut runs = runs.into_iter().peekable();
            while runs.peek().is_some() {
                let slice: Vec<Start<T, S>> = runs.by_ref().take(TRIGGER_SLICE).collect();
                answers.extend(core.trigger_slice(slice, &origin).await?);
            }
            Ok(answers)
        };
        started.instrument(span)
    }

    /// Calls back the latest run of a foreign id, if it is in `status`: await it for what became of it.
    ///
    /// # Errors
    /// [`Error::Function`] with what the callback's function failed with, and what the store says.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
    /// assert!(running.callback(Paid, "order-17", r#""1Z-17""#).await?.is_applied());
    /// # );
    /// ```
    pub fn callback(
        &self,
        status: S,
        foreign_id: impl Into<String>,
        payload: impl Into<Bytes>,
    ) -> CallbackCall<'_, T, S> {
        CallbackCall {
            client: self,
            status,
            foreign_id: foreign_id.into(),
            payload: payload.into(),
            key: None,
        }
    }

    /// A run to wait for.
    pub fn wait_for(&self, run: &RunId) -> Wait<'_, T, S> {
        Wait::new(self, *run)
    }

    /// Sets a run aside until it is resumed.
    ///
    /// # Errors
    /// [`Error::Refused`] if it has ended or is paused already.
    pub async fn pause(&self, run: &RunId, reason: &str) -> Result<(), Error> {
        self.core.pause(*run, reason).await
    }

    /// Lets a paused run go on.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not paused.
    pub async fn resume(&self, run: &RunId) -> Result<(), Error> {
        self.core.resume(*run).await
    }

    /// Ends a run early, and tells its running function.
    ///
    /// # Errors
    /// [`Error::Refused`] if it has ended already.
    pub async fn cancel(&self, run: &RunId, reason: &str) -> Result<(), Error> {
        self.core.cancel(*run, reason).await
    }

    /// Asks for the deletion of an ended run's data.
    ///
    /// # Errors
    /// [`Error::Refused`] if it has not ended.
    pub async fn delete_data(&self, run: &RunId, reason: &str) -> Result<(), Error> {
        self.core.delete_data(*run, reason).await
    }

    /// A run as it is stored now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongWorkflow`] or [`Error::UnknownStatus`].
    pub async fn get(&self, run: &RunId) -> Result<StoredRun<T, S>, Error> {
        self.stored(self.core.lookup(*run).await?)
    }

    /// The unfinished run of a foreign id, or its newest one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn latest(&self, foreign_id: &str) -> Result<Option<StoredRun<T, S>>, Error> {
        let foreign_id = ForeignId::new(foreign_id)?;
        let latest = self.core.hub.store.latest(&self.core.definition.name, &foreign_id).await?;
        latest.map(|record| self.stored(record)).transpose()
    }

    /// A page of this workflow's runs.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list(&self, query: ListQuery) -> Result<RunPage<T, S>, Error> {
        let query = ListQuery { workflow_name: Some(self.core.definition.name.clone()), ..query };
        let page = self.core.hub.store.list(&query).await?;
        let mut listed = RunPage {
            runs: Vec::with_capacity(page.records.len()),
            unreadable: page.unreadable.into_iter().map(Error::from).collect(),
            next: page.next,
        };
        for record in page.records {
            match self.stored(record) {
                Ok(run) => listed.runs.push(run),
                Err(error) => listed.unreadable.push(error),
            }
        }
        Ok(listed)
    }

    /// Everything that was stored of a run, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongWorkflow`], and what the store says.
    pub async fn history(&self, run: &RunId) -> Result<Vec<HistoryEntry>, Error> {
        // A record that cannot be read has a history all the same.
        let found = self.core.lookup(*run).await;
        if let Err(error @ (Error::NotFound { .. } | Error::WrongWorkflow { .. })) = found {
            return Err(error);
        }
        let mut history: Vec<HistoryEntry> = Vec::new();
        loop {
            let after = history.last().map(|entry| entry.version);
            let query = HistoryQuery { run_id: *run, after, limit: HISTORY_PAGE };
            let page = self.core.hub.store.history(&query).await?;
            let last = page.len() < HISTORY_PAGE;
            history.extend(page);
            if last {
                return Ok(history);
            }
        }
    }

    /// Deletes ended runs that were last stored before `older_than` ago, with all that belongs to them; tells how many.
    /// One whose event is still to be published is left.
    ///
    /// # Errors
    /// What the store says.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
    /// assert_eq!(running.purge(Duration::ZERO).await?, 0, "it has not ended");
    /// # );
    /// ```
    pub async fn purge(&self, older_than: Duration) -> Result<u64, Error> {
        let mut purged = 0;
        loop {
            let slice =
                self.core.hub.store.purge(&self.core.definition.name, older_than, PURGE_SLICE).await?;
            purged += slice;
            if slice < PURGE_SLICE as u64 {
                return Ok(purged);
            }
            tokio::task::yield_now().await;
        }
    }

    /// What was set aside because it could not be processed, oldest first; of all workflows of the store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        Ok(self.core.hub.store.dead_letters(limit).await?)
    }

    /// What each of the workflow's processes is doing here, by name.
    pub fn states(&self) -> BTreeMap<String, ProcessState> {
        self.core.metrics.states()
    }

    /// What was counted and measured here.
    pub fn metrics(&self) -> &Metrics {
        &self.core.metrics
    }
}

impl<T: Object, S: Status> Core<T, S> {
    async fn trigger_slice(
        &self,
        slice: Vec<Start<T, S>>,
        origin: &Arc<str>,
    ) -> Result<Vec<Result<RunId, Error>>, Error> {
        let mut answers: Vec<Option<Result<RunId, Error>>> = Vec::with_capacity(slice.len());
        let mut lanes: Vec<Vec<(usize, ForeignId, crate::adapter::Change)>> = Vec::new();
        lanes.resize_with(self.hub.commits.lanes(), Vec::new);
        // They end with the slice: until then it is not known that the runs are stored.
        let mut spans = Vec::new();
        for (at, start) in slice.into_iter().enumerate() {
            answers.push(None);
            let made = self.to_start(start, Arc::clone(origin)).and_then(|new| {
                let (foreign_id, span) = (new.foreign_id.clone(), self.trigger_span(&new));
                let change = span.in_scope(|| self.new_run(new))?;
                spans.push(span);
                Ok((foreign_id, change))
            });
            match made {
                Ok((foreign_id, change)) => {
                    let lane = self.hub.commits.lane_number(change.run_id);
                    lanes[lane].push((at, foreign_id, change));
                }
                Err(error) => answers[at] = Some(Err(error)),
            }
        }
        for lane in lanes.into_iter().filter(|lane| !lane.is_empty()) {
            let (places, changes): (Vec<_>, Vec<_>) = lane
                .into_iter()
                .map(|(at, foreign_id, change)| ((at, foreign_id, change.run_id), change))
                .unzip();
            let outcomes = self.hub.commits.commit(changes).await?;
            for ((at, foreign_id, run_id), outcome) in places.into_iter().zip(outcomes) {
                answers[at] = Some(self.started(run_id, &foreign_id, outcome));
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Err(Error::ShuttingDown))).collect())
    }
}

/// A callback about to be made: await it.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// let scan = || running.callback(Paid, "order-17", r#""1Z-17""#).key("scan 1");
/// assert_eq!(scan().await?, CallbackOutcome::Applied);
/// assert_eq!(scan().await?, CallbackOutcome::Duplicate);
/// # );
/// ```
#[must_use = "a callback is made when this is awaited"]
pub struct CallbackCall<'a, T, S> {
    client: &'a Client<T, S>,
    status: S,
    foreign_id: String,
    payload: Bytes,
    key: Option<String>,
}

impl<T: Object, S: Status> CallbackCall<'_, T, S> {
    /// Makes a repetition of this callback answer `Duplicate`, for this run.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl<'a, T: Object, S: Status> IntoFuture for CallbackCall<'a, T, S> {
    type Output = Result<CallbackOutcome, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = Call {
                status: self.status.code(),
                foreign_id: ForeignId::new(self.foreign_id)?,
                payload: self.payload,
                key: self.key.map(Arc::from),
            };
            self.client.core.callback(call).await
        })
    }
}
