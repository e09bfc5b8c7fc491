//! Goal: no query of the store reads more of a table than it gives. Method: the server explains each statement as it is
//! executed, with the rows that each part of the plan gave, on tables of 20,000 runs.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use store_sql::Postgres;
use store_sql::postgres::PostgresStore;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use workflow_conformance::samples::{
    completed, creation, effects_at, key, new_run, new_run_of, orders, role, start_key, stepped, timer,
    update, workflow,
};
use workflow_core::adapter::{Change, EpochClaim, ListQuery, Outcome, Page, RetryUpdate, Store};
use workflow_core::{Due, Record, RunId, Timestamp};

use schemas::Schema;

/// How many runs there are.
const RUNS: usize = 20_000;

/// The most rows that a part of a plan may give: a page, and the next row.
const ROWS_MAX: f64 = 101.0;

/// Keeps the plans that the server sends.
#[derive(Clone, Default)]
struct Plans(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Plans {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::postgres::notice" {
            let mut message = Message(String::new());
            event.record(&mut message);
            if message.0.contains("plan:") {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message.0);
            }
        }
    }
}

impl Plans {
    /// The plans since the last call. Each reads tables by index, and no more rows than a page has.
    fn take(&self, what: &str, index: &str) {
        let plans = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(!plans.is_empty(), "{what}: the server explained nothing");
        assert!(plans.iter().any(|plan| plan.contains(index)), "{what}: {index} is not used: {plans:#?}");
        for plan in &plans {
            assert!(!plan.contains("Seq Scan on workflow_"), "{what} reads a whole table: {plan}");
            for part in plan.split("(actual rows=").skip(1) {
                let rows: f64 = part.split_whitespace().next().unwrap().parse().unwrap();
                assert!(rows <= ROWS_MAX, "{what} reads {rows} rows: {plan}");
            }
        }
    }
}

/// A store whose sessions explain their statements, with plans as the server makes them for values it does not know.
async fn explaining(schema: &Schema) -> PostgresStore {
    let dsn = schema.dsn_with(&[
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
        ("client_min_messages", "log"),
        ("plan_cache_mode", "force_generic_plan"),
    ]);
    Postgres::options().connect_to(&dsn).await.unwrap().store().clone()
}

/// Runs of two workflows, half of them finished, each with a timer, a retry row and an outbox row.
async fn fill(store: &PostgresStore) -> Vec<Arc<Record>> {
    let mut made = Vec::new();
    for slice in 0..RUNS / 1000 {
        let name = if slice % 2 == 0 { orders() } else { workflow("refunds") };
        let new: Vec<Record> = (0..1000)
            .map(|number| {
                let mut record = new_run_of(name.clone(), &format!("key-{:05}", slice * 1000 + number));
                record.start_key = Some(start_key(&format!("request-{slice}-{number}")));
                record
            })
            .collect();
        let created = stored(store, new.iter().map(creation).collect()).await;
        let half: Vec<Change> = created.iter().step_by(2).map(|run| update(run, &completed(run))).collect();
        stored(store, half).await;
        let due = |run: &Record| Due::At(Timestamp::from_millis(run.created_at.as_millis() - 1000));
        let waiting = created.iter().skip(1).step_by(2).map(|run| {
            let retry = workflow_conformance::samples::retry_row(run, "step", Some(due(run)));
            let retry = RetryUpdate { attempt: 2, ..retry };
            effects_at(run, vec![timer(run, "0", due(run)), workflow_core::adapter::Effect::PutRetry(retry)])
        });
        stored(store, waiting.collect()).await;
        made.extend(created);
    }
    made
}

async fn stored(store: &PostgresStore, changes: Vec<Change>) -> Vec<Arc<Record>> {
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    let record = |outcome| match outcome {
        Outcome::Stored(record) => record,
        refused => panic!("refused: {refused:?}"),
    };
    outcomes.into_iter().filter_map(record).collect()
}

#[tokio::test(flavor = "current_thread")]
async fn every_query_stays_on_its_index() {
    let plans = Plans::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(plans.clone()));
    let schema = Schema::fresh().await;
    let store = stays_on_its_index(&schema, &plans).await;
    lists(&store, &plans).await;
}

/// But for lists, for which the server takes the guide's index on the instant of creation alone.
#[tokio::test(flavor = "current_thread")]
async fn every_query_stays_on_its_index_on_tables_of_the_guide() {
    let plans = Plans::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(plans.clone()));
    let schema = Schema::fresh().await;
    schema.run(include_str!("guide/postgres.sql")).await;
    stays_on_its_index(&schema, &plans).await;
}

async fn stays_on_its_index(schema: &Schema, plans: &Plans) -> PostgresStore {
    // The plans of these sessions are made while the tables are empty, and kept.
    let store = explaining(schema).await;
    let early = new_run("early");
    store.lookup(&[early.run_id]).await.unwrap();
    let filler = schema.store().await;
    let runs = fill(&filler).await;
    // By name: all there is would be the tables of other tests, too.
    schema
        .run(
            "analyze workflow_records, workflow_outbox, workflow_timeouts, workflow_retries, workflow_history, \
             workflow_dead_letters, workflow_inbox, workflow_slots, workflow_roles",
        )
        .await;
    plans.0.lock().unwrap().clear();

    let hundred: Vec<RunId> = runs.iter().step_by(200).map(|run| run.run_id).collect();
    store.lookup(&hundred).await.unwrap();
    plans.take("lookup", "workflow_records_pkey");
    assert!(store.latest(&orders(), &key("key-00000")).await.unwrap().is_some());
    plans.take("latest of a finished run", "workflow_records_by_foreign_id");
    assert!(store.latest(&orders(), &key("key-00001")).await.unwrap().is_some());
    plans.take("latest of a live run", "workflow_records_live");
    assert!(store.started_by(&orders(), &start_key("request-4-7")).await.unwrap().is_some());
    plans.take("by start key", "workflow_records_start_key");
    let entered: Vec<_> = hundred.iter().map(|run_id| (*run_id, runs[0].status)).collect();
    store.entered(&entered).await.unwrap();
    plans.take("entered", "workflow_history_pkey");
    assert_eq!(store.outbox(None, 100).await.unwrap().rows.len(), 100);
    plans.take("outbox, first page", "workflow_outbox_pkey");
    let middle = runs[RUNS / 2].last_event_id.unwrap().to_string();
    assert_eq!(store.outbox(Some(&middle), 100).await.unwrap().rows.len(), 100);
    plans.take("outbox, a later page", "workflow_outbox_pkey");
    assert_eq!(store.due(&[orders()], 100).await.unwrap().timers.len(), 100);
    plans.take("due timers", "workflow_timeouts_due");
    assert_eq!(store.due(&[workflow("refunds")], 100).await.unwrap().retries.len(), 100);
    plans.take("due retries", "workflow_retries_due");
    store.driverless(&orders(), Duration::ZERO, None, 100).await.unwrap();
    plans.take("driverless, first slice", "workflow_records_live");
    let deep =
        store.driverless(&orders(), Duration::ZERO, Some(cursor(&runs[RUNS / 2 + 1])), 100).await.unwrap();
    assert!(deep.next.is_some());
    plans.take("driverless, a later slice", "workflow_outbox_by_run");
    writes(&store, plans, &runs).await;
    store
}

fn cursor(run: &Record) -> workflow_core::adapter::Cursor {
    workflow_core::adapter::Cursor { created_at: run.created_at, run_id: run.run_id }
}

async fn lists(store: &PostgresStore, plans: &Plans) {
    let all = ListQuery { limit: 25, ..ListQuery::default() };
    let own = ListQuery { workflow_name: Some(orders()), ..all.clone() };
    for query in [all, own] {
        let skipped =
            store.list(&ListQuery { page: Page::Offset(9000), limit: 1, ..query.clone() }).await.unwrap();
        let deep = skipped.next.unwrap();
        plans.0.lock().unwrap().clear();
        for newest_first in [false, true] {
            for page in [Page::Offset(0), Page::After(deep)] {
                let query = ListQuery { newest_first, page, ..query.clone() };
                assert_eq!(store.list(&query).await.unwrap().records.len(), 25);
            }
        }
        // Runs of one instant are sorted by their ids, as many as one commit made.
        let sorted = std::mem::take(&mut *plans.0.lock().unwrap());
        for plan in sorted {
            assert!(plan.contains("workflow_records_by_age"), "another index is used: {plan}");
            assert!(!plan.contains("Seq Scan"), "a list reads the whole table: {plan}");
            for part in plan.split("(actual rows=").skip(1) {
                let rows: f64 = part.split_whitespace().next().unwrap().parse().unwrap();
                assert!(rows <= 2100.0, "a page reads {rows} rows: {plan}");
            }
        }
    }
}

async fn writes(store: &PostgresStore, plans: &Plans, runs: &[Arc<Record>]) {
    store.register(&role(1), EpochClaim::Next).await.unwrap();
    plans.0.lock().unwrap().clear();
    let live: Vec<&Arc<Record>> = runs.iter().skip(1).step_by(400).collect();
    let mut changes: Vec<Change> = live.iter().map(|run| update(run, &stepped(run, 2))).collect();
    for change in &mut changes {
        change.fence = Some(workflow_conformance::samples::fence(&role(1), workflow_core::Epoch::new(1)));
    }
    stored(store, changes).await;
    plans.take("a commit of moves", "workflow_records_pkey");
    stored(store, (0..50).map(|number| creation(&new_run(&format!("new-{number}")))).collect()).await;
    plans.0.lock().unwrap().clear();
    let refused = store.commit(vec![creation(&new_run("key-00001"))], Vec::new()).await.unwrap();
    assert!(matches!(refused[0], Outcome::DuplicateActiveRun { .. }));
    plans.take("a refused creation", "workflow_records_live");
    let acked = runs.iter().step_by(400).filter_map(|run| run.last_event_id).collect();
    store.commit(Vec::new(), acked).await.unwrap();
    plans.take("acks", "workflow_outbox_pkey");
}
