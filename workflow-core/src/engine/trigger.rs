//! Starting runs.

use std::future::IntoFuture;
use std::panic::Location;
use std::sync::Arc;

use tracing::Instrument;

use super::client::Client;
use super::core::{Core, Object, unexpected};
use super::moves::Stamp;
use super::plan::StatusPlan;
use crate::adapter::{BoxFuture, Change, ErrorKind, Outcome};
use crate::run::CallContext;
use crate::{Actor, Error, EventId, ForeignId, Record, Run, RunId, RunState, StartKey, Status, Version};

/// A run that is to be started.
pub(crate) struct NewRun<T, S> {
    pub(crate) run_id: RunId,
    pub(crate) foreign_id: ForeignId,
    pub(crate) object: T,
    pub(crate) start: S,
    pub(crate) key: Option<StartKey>,
    pub(crate) origin: Arc<str>,
}

impl<T: Object, S: Status> Core<T, S> {
    /// Checks what a caller wants to start.
    pub(crate) fn to_start(&self, start: Start<T, S>, origin: Arc<str>) -> Result<NewRun<T, S>, Error> {
        Ok(NewRun {
            run_id: RunId::generate(),
            foreign_id: ForeignId::new(start.foreign_id)?,
            object: start.object,
            start: start.status.unwrap_or(self.definition.start),
            key: start.key.map(StartKey::new).transpose()?,
            origin,
        })
    }

    /// What is known of a status in which runs can start.
    pub(crate) fn startable(&self, start: S) -> Result<&StatusPlan, Error> {
        let plan = self.plan.status(start.code()).filter(|plan| !plan.terminal);
        plan.ok_or_else(|| Error::NoStart { workflow: self.definition.name.clone(), status: start.name() })
    }

    /// The span in which a run is started; a trace of its own, if the caller is in none.
    pub(crate) fn trigger_span(&self, new: &NewRun<T, S>) -> tracing::Span {
        tracing::debug_span!(
            "trigger",
            workflow_name = %self.definition.name,
            run_id = %new.run_id,
            foreign_id = %new.foreign_id,
            status = new.start.code().get(),
            otel.status_code = tracing::field::Empty,
        )
    }

    /// The change that stores a new run.
    pub(crate) fn new_run(&self, new: NewRun<T, S>) -> Result<Change, Error> {
        let NewRun { run_id, foreign_id, object, start, key, origin } = new;
        let plan = self.startable(start)?;
        let now = self.hub.clock.now();
        let record = Record {
            workflow_name: self.definition.name.clone(),
            run_id,
            run_state: RunState::Initiated,
            status: start.code(),
            object: self.encode(&object, || format!("{foreign_id:?}"))?,
            foreign_id,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
            run_state_reason: Arc::default(),
            status_description: Arc::clone(&plan.name),
            trace_origin: origin,
            traceparent: None,
            last_event_id: Some(EventId::after(None)),
            paused_by: None,
            start_key: key,
        };
        let stamp = Stamp { retries_left: false, ..Stamp::outside(Actor::Trigger) };
        if !plan.has_timeouts {
            return Ok(self.creation(record, None, stamp));
        }
        let call = CallContext { attempt: 1, fence: None, signals: Arc::clone(&self.signals) };
        let mut run = Run::new(object, start, Arc::new(record.clone()), call);
        Ok(self.creation(record, Some(&mut run), stamp))
    }

    /// What the store's answer to a new run means.
    pub(crate) fn started(
        &self,
        run_id: RunId,
        foreign_id: &ForeignId,
        outcome: Outcome,
    ) -> Result<RunId, Error> {
        match outcome {
            Outcome::Stored(_) => {
                self.metrics.run_state_changed(RunState::Unknown, RunState::Initiated);
                Ok(run_id)
            }
            Outcome::DuplicateStartKey { run_id } => Ok(run_id),
            Outcome::DuplicateActiveRun { run_id } => Err(Error::AlreadyInProgress {
                workflow: self.definition.name.clone(),
                foreign_id: foreign_id.clone(),
                run_id,
            }),
            other => Err(unexpected(&other).into()),
        }
    }

    pub(crate) async fn trigger(&self, new: NewRun<T, S>) -> Result<RunId, Error> {
        let foreign_id = new.foreign_id.clone();
        let span = self.trigger_span(&new);
        // The event is made within the span, and carries its context on.
        let stored = async {
            let started = match self.new_run(new) {
                Ok(change) => self.store_new(change, &foreign_id).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &started {
                tracing::Span::current().record("otel.status_code", "ERROR");
                tracing::debug!(error = %super::with_causes(error), "not triggered");
            }
            started
        };
        stored.instrument(span).await
    }

    async fn store_new(&self, change: Change, foreign_id: &ForeignId) -> Result<RunId, Error> {
        let run_id = change.run_id;
        let started = match self.hub.commit_one(change).await {
            Ok(outcome) => self.started(run_id, foreign_id, outcome),
            // The answer was lost on its way: the store knows what became of it.
            Err(error) if error.kind() == ErrorKind::UnknownOutcome => {
                self.lookup(run_id).await.map_err(|_| Error::Backend(error))?;
                Ok(run_id)
            }
            Err(error) => Err(error.into()),
        };
        tracing::debug!(started = started.is_ok(), "triggered");
        started
    }
}

/// A run to start with [`Client::trigger_all`]; a pair of foreign id and object is one.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let runs = [Start::new("order-17", Order { cents: 4_200 }).key("mail 1"), ("order-18", Order { cents: 300 }).into()];
/// let started = running.trigger_all(runs).await?;
/// assert!(started.iter().all(Result::is_ok));
/// # );
/// ```
#[derive(Clone, Debug)]
pub struct Start<T, S> {
    pub(crate) foreign_id: String,
    pub(crate) object: T,
    pub(crate) status: Option<S>,
    pub(crate) key: Option<String>,
}

impl<T, S> Start<T, S> {
    /// A run of this business key, with this object.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let started = running.trigger_all([Start::new("", Order { cents: 4_200 })]).await?;
    /// assert!(matches!(started[0], Err(Error::Name(_))));
    /// # );
    /// ```
    pub fn new(foreign_id: impl Into<String>, object: T) -> Self {
        Self { foreign_id: foreign_id.into(), object, status: None, key: None }
    }

    /// Starts in this status instead of the workflow's first one.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let started = running.trigger_all([Start::new("order-17", Order { cents: 4_200 }).at(Paid)]).await?;
    /// let run = started.into_iter().next().unwrap()?;
    /// assert_eq!(running.get(&run).await?.status(), Paid);
    /// # );
    /// ```
    pub fn at(mut self, status: S) -> Self {
        self.status = Some(status);
        self
    }

    /// Starts one run for ever: the same key again gives the run that it made, finished or not.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let twice = ["order-17", "order-17"].map(|id| Start::new(id, Order { cents: 4_200 }).key("mail 1"));
    /// let started = running.trigger_all(twice).await?;
    /// assert_eq!(started[0].as_ref().unwrap(), started[1].as_ref().unwrap());
    /// # );
    /// ```
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl<T, S, F: Into<String>> From<(F, T)> for Start<T, S> {
    fn from((foreign_id, object): (F, T)) -> Self {
        Self::new(foreign_id, object)
    }
}

/// A run about to be started: await it.
///
/// It can be told where to start, and under which key.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).key("mail 1").await?;
/// let again = running.trigger("order-17", Order { cents: 4_200 }).key("mail 1").await?;
/// assert_eq!(run, again);
/// # );
/// ```
#[must_use = "a run is started when this is awaited"]
pub struct Trigger<'a, T, S> {
    client: &'a Client<T, S>,
    start: Start<T, S>,
    origin: &'static Location<'static>,
}

impl<'a, T: Object, S: Status> Trigger<'a, T, S> {
    #[track_caller]
    pub(crate) fn new(client: &'a Client<T, S>, foreign_id: String, object: T) -> Self {
        Self { client, start: Start::new(foreign_id, object), origin: Location::caller() }
    }

    /// Starts in this status instead of the workflow's first one.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
    /// assert_eq!(running.get(&run).await?.status(), Paid);
    /// let refused = running.trigger("order-18", Order { cents: 4_200 }).start_at(Shipped).await.unwrap_err();
    /// assert!(matches!(refused, Error::NoStart { status: "Shipped", .. }));
    /// # );
    /// ```
    pub fn start_at(mut self, status: S) -> Self {
        self.start = self.start.at(status);
        self
    }

    /// Starts one run for ever: the same key again gives the run that it made, finished or not.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let run = running.trigger("order-17", Order { cents: 50_000 }).key("mail 1").await?;
    /// running.wait_for(&run).finished().await?;
    /// assert_eq!(running.trigger("order-17", Order { cents: 50_000 }).key("mail 1").await?, run);
    /// # );
    /// ```
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.start = self.start.key(key);
        self
    }
}

impl<'a, T: Object, S: Status> IntoFuture for Trigger<'a, T, S> {
    type Output = Result<RunId, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let core = self.client.core();
            let new = core.to_start(self.start, self.origin.to_string().into())?;
            core.trigger(new).await
        })
    }
}
