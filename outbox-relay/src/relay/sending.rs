//! Sending, and what becomes of what was sent.

use std::collections::HashMap;
use std::sync::Arc;

use workflow_core::Topic;
use workflow_core::adapter::{BackendError, DeadLetter, EventStreamer, Publication, RelayStore, SendOutcome};

use super::causes;
use super::ledger::Row;
use super::shard::ShardWork;
use super::spans::Spans;
use super::state::{Done, State, refused};

impl<S: RelayStore, T: EventStreamer> ShardWork<S, T> {
    /// Publishes events, those of each topic by themselves.
    pub(super) fn send_all(self: &Arc<Self>, state: &mut State, rows: Vec<Row>) {
        let mut by_topic: HashMap<Topic, Vec<Row>> = HashMap::new();
        for row in rows {
            by_topic.entry(row.event.topic.clone()).or_default().push(row);
        }
        by_topic.into_values().for_each(|rows| self.send(state, rows));
    }

    /// Publishes what has waited for an event of its run; if it may not go now, a later pass finds it again.
    pub(super) fn follow(self: &Arc<Self>, state: &mut State, rows: Vec<Row>) {
        if rows.is_empty() {
            return;
        }
        let now = self.store.clock().elapsed();
        let (held, free): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| {
            state.ending || state.topics.get(&row.event.topic).is_some_and(|(until, _)| now < *until)
        });
        state.pass.held += held.len();
        state.ledger.put_back(held.iter().map(|row| &row.text));
        self.send_all(state, free);
    }

    /// Publishes events of one topic: what is wrong with it is no matter to others.
    fn send(self: &Arc<Self>, state: &mut State, rows: Vec<Row>) {
        state.sending += 1;
        self.metrics.batch(rows.len());
        let work = Arc::clone(self);
        state.under_way.push(Box::pin(async move {
            let publication = |row: &Row| Publication {
                row: row.id,
                event: Arc::clone(&row.event),
                record: None,
                at: row.stored.created_at,
            };
            let spans = Spans::of(work.trace.as_deref(), &rows);
            let outcomes = work.streamer.send(rows.iter().map(publication).collect()).await;
            spans.end(&outcomes);
            Done::Sent { rows, outcomes }
        }));
    }

    pub(super) fn take_outcomes(
        self: &Arc<Self>,
        state: &mut State,
        rows: Vec<Row>,
        outcomes: Result<Vec<SendOutcome>, BackendError>,
    ) {
        state.sending -= 1;
        let Some(topic) = rows.first().map(|row| row.event.topic.clone()) else { return };
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.metrics.publish_failed();
                let failures =
                    state.topics.get(&topic).map_or(0, |(_, failures)| *failures).saturating_add(1);
                let until = self.store.clock().elapsed() + self.back_off(failures);
                tracing::warn!(shard = %self.shard, topic = %topic, error = %causes(&error), "events are held");
                state.topics.insert(topic, (until, failures));
                state.pass.held += rows.len();
                return state.ledger.put_back(rows.iter().map(|row| &row.text));
            }
        };
        state.topics.remove(&topic);
        let (mut letters, mut next, mut published) = (Vec::new(), Vec::new(), 0);
        for (row, outcome) in rows.into_iter().zip(outcomes) {
            match outcome {
                SendOutcome::Durable => {
                    published += 1;
                    next.extend(state.ledger.acknowledge(&row.text));
                    state.acked.push(row.text);
                }
                SendOutcome::Held => {
                    published += 1;
                    next.extend(state.ledger.acknowledge(&row.text));
                    state.held.insert(row.id, row.text);
                }
                SendOutcome::Refused(reason) => letters.push(refused(row, reason)),
                SendOutcome::Full => {
                    state.ledger.put_back([&row.text]);
                    state.pass.waiting += 1;
                    self.wait_until_ready(state);
                }
            }
        }
        self.metrics.published(published);
        if !letters.is_empty() {
            self.set_aside(state, letters);
        }
        self.follow(state, next);
    }

    fn wait_until_ready(self: &Arc<Self>, state: &mut State) {
        if !std::mem::replace(&mut state.full, true) {
            let work = Arc::clone(self);
            state.under_way.push(Box::pin(async move {
                work.streamer.ready().await;
                Done::Ready
            }));
        }
    }

    pub(super) fn set_aside(self: &Arc<Self>, state: &mut State, letters: Vec<DeadLetter>) {
        for letter in &letters {
            tracing::error!(shard = %self.shard, row = %letter.id, reason = %letter.reason, "an outbox row becomes a dead letter");
        }
        let ids: Vec<Arc<str>> = letters.iter().map(|letter| Arc::clone(&letter.id)).collect();
        let work = Arc::clone(self);
        state.under_way.push(Box::pin(async move {
            let result = work.store.set_aside(letters).await;
            Done::Gone { letters: ids.len(), ids, result }
        }));
    }
}
