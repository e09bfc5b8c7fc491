//! One shard: read, publish, delete, over and over, each beside the others.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use workflow_core::adapter::{BackendError, EventStreamer, RelayStore, ShardPage, TraceLink};
use workflow_core::{Shard, Topic};

use super::bell::Bell;
use super::metrics::ShardMetrics;
use super::options::RelayOptions;
use super::state::{Done, State, unreadable};
use super::{Drained, causes};

/// How long acknowledged rows wait for others that are published at the same time: more of them go at once then.
const GATHER: Duration = Duration::from_millis(3);

/// How long the table is not read again while events are under way, in times of what the last pass took: so reading has a
/// share of the time that does not grow with the load.
const GAP_OF_PASS: u32 = 2;

/// The shortest such time after a pass that took several rows: more of them go at once then.
const GAP_MIN: Duration = Duration::from_millis(3);

/// The longest such time.
const GAP_MAX: Duration = Duration::from_millis(10);

/// So few rows in a pass are no load: each event is published as soon as it is stored.
const FEW: usize = 2;

/// When a shard's work ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Stopped,
    Drained,
}

/// The work on one shard, while its role is owned.
pub(crate) struct ShardWork<S, T> {
    pub(crate) store: Arc<S>,
    pub(crate) streamer: Arc<T>,
    pub(crate) shard: Shard,
    pub(crate) options: RelayOptions,
    pub(crate) metrics: Arc<ShardMetrics>,
    pub(crate) trace: Option<Arc<dyn TraceLink>>,
    pub(crate) bell: Bell,
    pub(crate) stop: CancellationToken,
}

impl<S: RelayStore, T: EventStreamer> ShardWork<S, T> {
    /// Works until it is stopped, the role is lost, or (if asked) all is published.
    pub(crate) async fn run(self, lost: CancellationToken, until: Until) -> Drained {
        let work = Arc::new(self);
        let mut state = State::new();
        work.watch_settled(&mut state);
        let mut idle = work.options.poll_min;
        loop {
            tokio::select! {
                biased;
                () = lost.cancelled() => return Drained::Interrupted,
                () = work.stop.cancelled() => return work.end(state, &lost).await,
                end = work.round(&mut state, until, &mut idle) => if let Some(end) = end { return end },
            }
        }
    }

    /// One pass over the table, and the wait for the next one; gives how the work ended, if it did.
    async fn round(
        self: &Arc<Self>,
        state: &mut State,
        until: Until,
        idle: &mut Duration,
    ) -> Option<Drained> {
        let begun = self.store.clock().elapsed();
        state.begin_pass();
        self.pass(state).await;
        let took = self.store.clock().elapsed().saturating_sub(begun);
        let pass = state.pass;
        let nothing_moves = state.ledger.is_idle() && pass.waiting == 0 && pass.taken == 0;
        if until == Until::Drained && nothing_moves {
            if pass.held == 0 && !pass.failed {
                return Some(Drained::All);
            }
            if state.is_hopeless() {
                return Some(Drained::Left);
            }
        }
        let shortest = self.options.poll_min;
        *idle = if pass.taken > 0 { shortest } else { (*idle * 2).clamp(shortest, self.options.poll_max) };
        let wait = if pass.failed { self.back_off(state.failures) } else { *idle };
        let shortest = if pass.taken > FEW { GAP_MIN } else { Duration::ZERO };
        self.gap(state, (took * GAP_OF_PASS).clamp(shortest, GAP_MAX)).await;
        self.rest(state, wait).await;
        None
    }

    /// A pause that rings do not end, as long as events are under way: they come faster than the table can be read.
    async fn gap(self: &Arc<Self>, state: &mut State, gap: Duration) {
        let over = self.store.clock().sleep(gap);
        tokio::pin!(over);
        while !state.ledger.is_idle() {
            tokio::select! {
                biased;
                Some(done) = state.under_way.next() => self.take_in(state, done),
                () = &mut over => return,
            }
        }
    }

    /// Waits for the next pass: for a ring, the time to poll, or room in the stream that was full.
    async fn rest(self: &Arc<Self>, state: &mut State, wait: Duration) {
        let pass = state.pass;
        let over = self.store.clock().sleep(wait);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                Some(done) = state.under_way.next() => {
                    let was_full = matches!(done, Done::Ready);
                    self.take_in(state, done);
                    if was_full {
                        return;
                    }
                }
                () = &mut over => return,
                () = self.bell.rung(), if !pass.failed => return,
            }
        }
    }

    /// Reads the table from the head to the end.
    async fn pass(self: &Arc<Self>, state: &mut State) {
        while state.pass.is_open {
            let room = !state.full
                && state.ledger.len() < self.options.in_flight_events
                && state.ledger.bytes() < self.options.in_flight_bytes;
            if room && !state.reading {
                self.read(state);
            }
            match state.under_way.next().await {
                Some(done) => self.take_in(state, done),
                None => return,
            }
        }
    }

    fn read(self: &Arc<Self>, state: &mut State) {
        state.reading = true;
        state.ledger.begin_read();
        let (work, after, known) = (Arc::clone(self), state.after.clone(), state.ledger.under_way());
        state.under_way.push(Box::pin(async move {
            let page = work.store.shard_page(work.shard, after.as_deref(), work.options.page, &known);
            Done::Read(page.await)
        }));
    }

    fn take_in(self: &Arc<Self>, state: &mut State, done: Done) {
        match done {
            Done::Read(Ok(page)) => self.take_page(state, page),
            Done::Read(Err(error)) => {
                state.reading = false;
                state.fail();
                self.metrics.read_failed();
                tracing::warn!(shard = %self.shard, error = %causes(&error), "the outbox cannot be read");
            }
            Done::Sent { rows, outcomes } => self.take_outcomes(state, rows, outcomes),
            Done::Gone { ids, letters, result } => self.take_gone(state, ids, letters, result),
            Done::Gathered => {
                state.gathering = false;
                state.gathered = true;
            }
            Done::Again => state.deleting = false,
            Done::Settled(settled) => {
                state.acked.extend(settled.iter().filter_map(|id| state.held.remove(id)));
                self.watch_settled(state);
            }
            Done::Ready => state.full = false,
        }
        self.delete(state);
        self.metrics.in_flight(state.ledger.len());
    }

    fn take_page(self: &Arc<Self>, state: &mut State, page: ShardPage) {
        state.reading = false;
        state.failures = 0;
        let now = self.store.clock().elapsed();
        let topics = &state.topics;
        let holds = |topic: &Topic| topics.get(topic).is_some_and(|(until, _)| now < *until);
        state.after = page.last;
        state.pass.is_open = page.more && state.after.is_some();
        let picked = state.ledger.take(page.rows, holds);
        state.pass.note(&picked);
        if !picked.unreadable.is_empty() {
            self.set_aside(state, picked.unreadable.into_iter().filter_map(unreadable).collect());
        }
        self.send_all(state, picked.rows);
    }

    /// Deletes what is acknowledged, one batch at a time.
    fn delete(self: &Arc<Self>, state: &mut State) {
        if state.acked.is_empty() || state.deleting {
            return;
        }
        let many = state.acked.len() >= self.options.page;
        if state.sending > 0 && !many && !state.gathered {
            return self.gather(state);
        }
        state.gathered = false;
        state.deleting = true;
        let mut ids = std::mem::take(&mut state.acked);
        ids.sort_unstable();
        let span = state.ledger.span(&ids);
        let work = Arc::clone(self);
        state.under_way.push(Box::pin(async move {
            let result = work.store.forget(work.shard, ids.clone(), span).await;
            Done::Gone { ids, letters: 0, result }
        }));
    }

    fn gather(self: &Arc<Self>, state: &mut State) {
        if !std::mem::replace(&mut state.gathering, true) {
            let clock = self.store.clock();
            state.under_way.push(Box::pin(async move {
                clock.sleep(GATHER).await;
                Done::Gathered
            }));
        }
    }

    fn take_gone(
        self: &Arc<Self>,
        state: &mut State,
        ids: Vec<Arc<str>>,
        letters: usize,
        result: Result<(), BackendError>,
    ) {
        match result {
            Ok(()) => {
                state.deleting &= letters > 0;
                self.metrics.set_aside(letters);
                let next = state.ledger.forget(&ids);
                self.follow(state, next);
            }
            Err(error) => {
                state.fail();
                self.metrics.delete_failed();
                tracing::warn!(shard = %self.shard, rows = ids.len(), error = %causes(&error), "rows cannot be deleted yet");
                // What was acknowledged is not published again by this owner: it is deleted by the next attempt.
                if letters > 0 {
                    return state.ledger.put_back(&ids);
                }
                state.acked.extend(ids);
                let (clock, wait) = (self.store.clock(), self.back_off(state.failures));
                state.under_way.push(Box::pin(async move {
                    clock.sleep(wait).await;
                    Done::Again
                }));
            }
        }
    }

    fn watch_settled(self: &Arc<Self>, state: &mut State) {
        let work = Arc::clone(self);
        state.under_way.push(Box::pin(async move { Done::Settled(work.streamer.settled().await) }));
    }

    pub(super) fn back_off(&self, failures: u32) -> Duration {
        let doubled = self.options.back_off_min.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.options.back_off_max)
    }

    /// Waits for what is under way; nothing new is begun but the deletion of what is acknowledged.
    async fn end(self: Arc<Self>, mut state: State, lost: &CancellationToken) -> Drained {
        state.ending = true;
        let deadline = self.store.clock().sleep(self.options.drain);
        tokio::pin!(deadline);
        loop {
            if state.ledger.is_idle() || (state.sending == 0 && !state.deleting && state.acked.is_empty()) {
                return Drained::Stopped;
            }
            tokio::select! {
                () = lost.cancelled() => return Drained::Interrupted,
                () = &mut deadline => {
                    tracing::warn!(shard = %self.shard, rows = state.ledger.len(), "what was under way was left behind");
                    return Drained::Interrupted;
                }
                Some(done) = state.under_way.next() => self.take_in(&mut state, done),
            }
        }
    }
}
