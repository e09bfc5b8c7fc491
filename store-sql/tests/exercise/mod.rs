//! Everything that a store can be asked for, once, on a database that holds nothing else.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use store_sql::maintenance::{Expiry, LetterQuery, Maintenance, What};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use workflow_conformance::samples::{
    ack_all, callback, completed, creation, dead_letter, effects_at, event_of, found, key, new_run, orders,
    retry_key, retry_row, role, slot, start, start_key, status, stepped, store_over, timer, timer_key,
    update,
};
use workflow_core::adapter::{
    Cursor, DeadLetter, Effect, EpochClaim, Fence, HistoryQuery, ListQuery, Page, RelayStore, Span, Store,
    UnderWay,
};
use workflow_core::testing::ManualClock;
use workflow_core::{Due, Record, RunState, Shard, Timestamp, encode_outbox};

/// Where ended runs are moved.
pub(crate) const ARCHIVE: &str = "old_runs";

/// Uses a store in every way.
pub(crate) async fn use_it<S: RelayStore>(store: &S) {
    let role = role(1);
    let epoch = store.register(&role, EpochClaim::Next).await.unwrap().unwrap();
    start(store, "before").await;
    let mut new = new_run("new-1");
    new.start_key = Some(start_key("once"));
    store.commit(vec![creation(&new), creation(&new_run("new-2"))], Vec::new()).await.unwrap();
    // Refused, so that the store looks who has the keys.
    store.commit(vec![creation(&new_run("new-1")), creation(&new_run("new-2"))], Vec::new()).await.unwrap();
    let one = found(store, new.run_id).await.unwrap();
    let mut step = update(&one, &stepped(&one, 2));
    step.fence = Some(Fence { role, epoch });
    step.effects.push(timer(&one, "0", Due::In(Duration::ZERO)));
    step.effects.push(Effect::PutRetry(retry_row(&one, "p", Some(Due::In(Duration::ZERO)))));
    step.effects.push(Effect::PutCallback(callback(1, "k")));
    step.effects.push(Effect::TakeSlot(slot(1)));
    step.effects.push(Effect::PutDeadLetter(dead_letter(&one, "a letter")));
    store.commit(vec![step], Vec::new()).await.unwrap();
    let one = found(store, new.run_id).await.unwrap();
    let key_of_retry = retry_key(&one, "p");
    let effects = vec![
        Effect::HoldTimer(timer_key(&one, "0")),
        Effect::ReleaseTimers,
        Effect::CompleteTimer(timer_key(&one, "0")),
        Effect::CancelTimers(Some(one.version)),
        Effect::CancelTimers(None),
        Effect::ReplaceRetry(retry_row(&one, "p", Some(Due::In(Duration::ZERO)))),
        Effect::DeleteRetry(key_of_retry.clone()),
        Effect::DeleteRetries,
        Effect::ApplyCallback { status: status(1), key: "k".into() },
        Effect::ForgetSlots(slot(1)),
        Effect::Scrub,
    ];
    store.commit(vec![effects_at(&one, effects)], Vec::new()).await.unwrap();
    store.retry(&key_of_retry).await.unwrap();
    look_at_it(store, &one).await;
    store_over(store, &one, &completed(&one)).await;
    relay_it(store).await;
    store.commit(Vec::new(), one.last_event_id.into_iter().collect()).await.unwrap();
    ack_all(store).await;
    store.purge(&orders(), Duration::ZERO, 100).await.unwrap();
}

/// What a relay asks.
async fn relay_it<S: RelayStore>(store: &S) {
    store.depth(Shard::WHOLE).await.unwrap();
    let page = store.shard_page(Shard::WHOLE, None, 100, &UnderWay::default()).await.unwrap();
    let ids: Vec<Arc<str>> = page.rows.into_iter().map(|row| row.id).collect();
    store.forget(Shard::WHOLE, ids[..2].to_vec(), Span::Whole).await.unwrap();
    store.forget(Shard::WHOLE, ids[..1].to_vec(), Span::Scattered).await.unwrap();
    store.announce(&role(1), Some("127.0.0.1:1 token")).await.unwrap();
    store.doorbells().await.unwrap();
}

/// Has operators ask for everything; two runs have ended, of which a dead letter keeps one.
pub(crate) async fn operate<S: Store>(store: &S, maintenance: &Maintenance, clock: &ManualClock) {
    let acts = [What::DeleteHistory, What::Delete, What::MoveInto(ARCHIVE.parse().unwrap())];
    for (number, act) in acts.into_iter().enumerate() {
        let run = start(store, "ended").await;
        let mut step = update(&run, &completed(&run));
        let data = encode_outbox(&event_of(&run)).into();
        let letter = DeadLetter { data, ..dead_letter(&run, &format!("letter {number}")) };
        step.effects.push(Effect::PutDeadLetter(letter));
        store.commit(vec![step], Vec::new()).await.unwrap();
        let run = start(store, "ended too").await;
        store_over(store, &run, &completed(&run)).await;
        ack_all(store).await;
        clock.advance(Duration::from_secs(1)).await;
        for dry_run in [true, false] {
            let expiry = Expiry { dry_run, ..Expiry::new(act.clone(), Duration::ZERO) };
            let mut expiring = maintenance.expire(&expiry).await.unwrap();
            while expiring.next_batch().await.unwrap().is_some() {}
        }
    }
    let query = LetterQuery::default();
    let letters = maintenance.dead_letters(&query).await.unwrap().letters;
    maintenance.requeue(&letters[0].id).await.unwrap();
    maintenance.discard(&letters[1].id).await.unwrap();
    maintenance.outbox_status().await.unwrap();
}

async fn look_at_it<S: Store>(store: &S, one: &Record) {
    for id in ["new-1", "nobody"] {
        store.latest(&orders(), &key(id)).await.unwrap();
    }
    store.started_by(&orders(), &start_key("once")).await.unwrap();
    store.due(&[orders()], 100).await.unwrap();
    store.waiting_retries(&orders(), 100).await.unwrap();
    store.inbox(one.run_id, status(1)).await.unwrap();
    store.last_slot(&slot(0)).await.unwrap();
    store.dead_letters(10).await.unwrap();
    store.entered(&[(one.run_id, status(1))]).await.unwrap();
    store.history(&HistoryQuery { run_id: one.run_id, after: None, limit: 10 }).await.unwrap();
    let page = store.outbox(None, 100).await.unwrap();
    store.outbox(page.rows.last().map(|row| &*row.id), 100).await.unwrap();
    let after = store.driverless(&orders(), Duration::ZERO, None, 1).await.unwrap().next;
    store.driverless(&orders(), Duration::ZERO, after, 100).await.unwrap();
    for newest_first in [true, false] {
        lists(store, one, newest_first).await;
    }
}

async fn lists<S: Store>(store: &S, one: &Record, newest_first: bool) {
    let all = ListQuery { newest_first, ..ListQuery::default() };
    let own = ListQuery { workflow_name: Some(orders()), ..all.clone() };
    let created_at = Timestamp::from_millis(one.created_at.as_millis() - 10_000);
    let deep = Page::After(Cursor { created_at, run_id: one.run_id });
    for query in [
        all.clone(),
        ListQuery { page: deep, ..all },
        own.clone(),
        ListQuery { page: deep, ..own.clone() },
        ListQuery { foreign_ids: vec![key("new-1")], ..own.clone() },
        ListQuery { statuses: vec![status(1)], run_states: vec![RunState::Running], ..own },
    ] {
        store.list(&query).await.unwrap();
    }
}

/// Keeps the statements that go to any server.
#[derive(Clone, Default)]
pub(crate) struct Statements(Arc<Mutex<BTreeSet<String>>>);

impl Statements {
    /// Keeps those of this process from now on.
    pub(crate) fn watch() -> Self {
        let statements = Self::default();
        let subscriber = tracing_subscriber::registry().with(statements.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        statements
    }

    /// What was sent since the last call, with single blanks.
    pub(crate) fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
struct Fields {
    summary: String,
    statement: String,
}

impl tracing::field::Visit for Fields {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "summary" => self.summary = value.to_owned(),
            "db.statement" => self.statement = value.to_owned(),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn fmt::Debug) {}
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let text = if fields.statement.is_empty() { fields.summary } else { fields.statement };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
    }
}
