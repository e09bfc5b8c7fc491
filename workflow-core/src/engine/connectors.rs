//! The processes that feed foreign events into a workflow.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::attempt::panicked;
use super::core::{Core, Object};
use super::failure::shorten;
use super::metrics::ProcessMetrics;
use super::role::{Process, Scope};
use crate::adapter::{
    BackendError, BoxFuture, Change, ConnectorEvent, DeadLetter, Effect, Expect, Fence, Outcome, Unreadable,
};
use crate::definition::{Api, ConnectorPart, PauseAfter};
use crate::{Failure, GroupName, RunId, Shard, Status, StepError, Timestamp};

/// One shard of a connector.
pub(crate) struct ConnectorProcess<T, S> {
    pub(crate) core: Arc<Core<T, S>>,
    pub(crate) part: usize,
    pub(crate) api: Api<T, S>,
    pub(crate) group: GroupName,
    pub(crate) shard: Shard,
    pub(crate) metrics: Arc<ProcessMetrics>,
}

impl<T: Object, S: Status> Process for ConnectorProcess<T, S> {
    fn run<'a>(&'a mut self, scope: Scope, fence: Fence) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let this = &*self;
            let mut receiver = this.part().source.open(&this.core.backend, &this.group, this.shard).await?;
            loop {
                let batch = tokio::select! {
                    batch = receiver.next_batch(this.part().options.in_flight) => batch?,
                    () = scope.end.cancelled() => return Ok(()),
                };
                for unreadable in receiver.unreadable() {
                    this.park(unreadable, &fence).await?;
                }
                // Events of one key keep their order; different keys go side by side.
                let mut keys: Vec<Vec<ConnectorEvent>> = Vec::new();
                let mut places = std::collections::HashMap::new();
                for event in batch {
                    let place = *places.entry(event.key.clone()).or_insert_with(|| {
                        keys.push(Vec::new());
                        keys.len() - 1
                    });
                    keys[place].push(event);
                }
                let work = join_all(keys.into_iter().map(|events| this.feed(events, &fence)));
                tokio::select! {
                    results = work => results.into_iter().collect::<Result<Vec<()>, BackendError>>()?,
                    () = scope.end.cancelled() => return Ok(()),
                };
                receiver.settle().await?;
            }
        })
    }
}

impl<T: Object, S: Status> ConnectorProcess<T, S> {
    fn part(&self) -> &ConnectorPart<T, S> {
        &self.core.definition.connectors[self.part]
    }

    async fn feed(&self, events: Vec<ConnectorEvent>, fence: &Fence) -> Result<(), BackendError> {
        for event in events {
            self.feed_one(&event, fence).await?;
        }
        Ok(())
    }

    /// Calls the connector's function until it succeeds; an event that no attempt can take is set aside.
    async fn feed_one(&self, event: &ConnectorEvent, fence: &Fence) -> Result<(), BackendError> {
        let options = &self.part().options;
        let mut attempt = 1;
        loop {
            let begun = self.core.hub.clock.elapsed();
            let called = self.call(event).await;
            self.metrics.took(self.core.hub.clock.elapsed().saturating_sub(begun));
            let Err(error) = called else { return Ok(()) };
            self.metrics.error();
            let reason = shorten(&error.reason());
            tracing::warn!(connector = %self.part().name, event = %event.id, attempt, reason = %reason, "connector failed");
            let last = error.failure() == Failure::Terminal
                || matches!(options.pause_after, PauseAfter::Errors(limit) if attempt >= limit.get());
            if last {
                return self.set_aside(event, reason, fence).await;
            }
            self.core.hub.clock.sleep(options.retry.delay(attempt, fastrand::f64())).await;
            attempt += 1;
        }
    }

    async fn call(&self, event: &ConnectorEvent) -> Result<(), StepError> {
        let call = AssertUnwindSafe((self.part().call)(&self.api, event)).catch_unwind();
        let called = match self.part().options.attempt_timeout {
            None => call.await,
            Some(limit) => tokio::select! {
                called = call => called,
                () = self.core.hub.clock.sleep(limit) => {
                    return Err(crate::retryable(format!("the attempt took longer than {limit:?}")));
                }
            },
        };
        called.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    async fn set_aside(
        &self,
        event: &ConnectorEvent,
        reason: Arc<str>,
        fence: &Fence,
    ) -> Result<(), BackendError> {
        self.put_dead_letter(
            DeadLetter {
                id: format!("{}/{}", self.group, event.id).into(),
                workflow_name: self.core.definition.name.as_str().into(),
                run_id: None,
                version: None,
                process: self.group.as_str().into(),
                reason,
                data: Bytes::clone(&event.data),
                created_at: Timestamp::from_millis(0),
            },
            fence,
        )
        .await
    }

    /// What the source could not make an event of is set aside.
    async fn park(&self, unreadable: Unreadable, fence: &Fence) -> Result<(), BackendError> {
        let letter =
            super::failure::unreadable_letter(&self.core.definition.name, self.group.as_str(), unreadable);
        tracing::warn!(connector = %self.part().name, reason = %letter.reason, "message is set aside");
        self.put_dead_letter(letter, fence).await
    }

    async fn put_dead_letter(&self, letter: DeadLetter, fence: &Fence) -> Result<(), BackendError> {
        self.core.metrics.dead_letter();
        let mut change = Change::new(RunId::from_uuid(uuid::Uuid::nil()), Expect::Nothing);
        change.fence = Some(fence.clone());
        change.effects.push(Effect::PutDeadLetter(letter));
        match self.core.hub.commit_one(change).await? {
            Outcome::Stored(_) => Ok(()),
            // Whoever owns the role now gets the event again.
            other => Err(super::core::unexpected(&other)),
        }
    }
}
