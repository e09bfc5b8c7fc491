//! What becomes of a commit when its connection, its session or its locks fail at the worst moment.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;
mod servers;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use store_sql::Postgres;
use store_sql::config::PostgresDsn;
use store_sql::postgres::{PostgresStore, attach};
use tokio::sync::Notify;
use workflow_conformance::samples::{
    commit_one, creation, fence, found, new_run, new_run_of, outbox_rows, paused, role, start, start_key,
    stepped, store_over, update, version, workflow,
};
use workflow_core::adapter::{Change, Effect, EpochClaim, ErrorKind, HistoryQuery, Outcome, Store};
use workflow_core::{Actor, HistoryEntry, Record};

use schemas::Schema;
use servers::proxy::{Cut, Proxy};

/// A store whose connections go through a proxy.
async fn through_proxy(schema: &Schema) -> (Proxy, Arc<PostgresStore>) {
    let server = schema.dsn();
    let proxy = Proxy::before(server.host.clone(), server.port).await;
    let through = PostgresDsn { host: "127.0.0.1".to_owned(), port: proxy.port, ..server };
    let backend = Postgres::options().connect_to(&through).await.unwrap();
    (proxy, Arc::new(backend.store().clone()))
}

async fn cut_at_commit(cut: Cut) {
    let schema = Schema::fresh().await;
    let (proxy, store) = through_proxy(&schema).await;
    let mut run = start(&*store, "order-1").await;
    for round in 2..=4 {
        proxy.arm(cut);
        run = store_over(&*store, &run, &stepped(&run, round)).await;
        assert!(proxy.has_cut(), "the commit did not go through the proxy");
    }
    assert_eq!(found(&*store, run.run_id).await, Some(Arc::clone(&run)));
    assert_eq!(run.version, version(4));
    let query = HistoryQuery { run_id: run.run_id, after: None, limit: 10 };
    assert_eq!(store.history(&query).await.unwrap().len(), 4);
    assert_eq!(outbox_rows(&*store, 10).await.len(), 4, "each version has one event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_never_reached_the_server_is_made_again() {
    cut_at_commit(Cut::Request).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_not_made_twice() {
    cut_at_commit(Cut::Answer).await;
}

/// Goal: whatever moment a session is ended at, each answer tells what is stored. Method: while a run is moved, all sessions
/// that are at work are ended once for each move, at moments of their own choosing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_ended_tear_no_commit() {
    const MOVES: u64 = 30;
    let schema = Schema::fresh().await;
    let store = Arc::new(Postgres::options().connect_to(&schema.named()).await.unwrap().store().clone());
    let (mut killer, name) = (schema.session().await, schema.name().to_owned());
    let (moved, mut moves) = tokio::sync::mpsc::unbounded_channel();
    let killing = tokio::spawn(async move {
        let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1 and \
                    state = 'active'";
        let mut killed = 0;
        while moves.recv().await.is_some() {
            let ended: i64 = sqlx::query_scalar(kill).bind(&name).fetch_one(&mut killer).await.unwrap();
            killed += ended;
        }
        killed
    });
    let mut runs = Vec::new();
    for number in 0..4 {
        runs.push(moved_under_fire(&store, new_run(&format!("order-{number}")), MOVES, &moved).await);
    }
    drop(moved);
    let killed = killing.await.unwrap();
    assert!(killed > 0, "no session was at work when it was to be ended");
    for run in &runs {
        assert_eq!(run.version, version(MOVES));
        let query = HistoryQuery { run_id: run.run_id, after: None, limit: 1000 };
        assert_eq!(store.history(&query).await.unwrap().len() as u64, MOVES);
    }
    assert_eq!(outbox_rows(&*store, 1000).await.len() as u64, MOVES * runs.len() as u64);
}

/// Moves a run to a version, asking again what was not answered.
async fn moved_under_fire(
    store: &PostgresStore,
    new: workflow_core::Record,
    to: u64,
    moved: &tokio::sync::mpsc::UnboundedSender<()>,
) -> Arc<workflow_core::Record> {
    let mut current: Option<Arc<workflow_core::Record>> = None;
    loop {
        let change = match &current {
            Some(run) if run.version.get() == to => return Arc::clone(run),
            Some(run) => update(run, &stepped(run, 2)),
            None => creation(&new),
        };
        moved.send(()).unwrap();
        match store.commit(vec![change], Vec::new()).await {
            Ok(outcomes) => match &outcomes[..] {
                [Outcome::Stored(Some(stored))] => current = Some(Arc::clone(stored)),
                other => panic!("a run that nobody else moves was refused: {other:?}"),
            },
            // Sessions may be ended more often than a commit is tried; nothing of it is stored then.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}: {error:?}"),
        }
    }
}

async fn lock_run(session: &mut PgConnection, run_id: workflow_core::RunId) {
    sqlx::raw_sql("begin").execute(&mut *session).await.unwrap();
    let lock = "select 1 from workflow_records where run_id = $1 for update";
    sqlx::query(lock).bind(run_id.to_string()).execute(session).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_somebody_else_has_holds_up_no_other() {
    let schema = Schema::fresh().await;
    let options = Postgres::options().lock_timeout(Duration::from_millis(50));
    let store = schema.backend_with(options).await.store().clone();
    let (held, free) = (start(&store, "held").await, start(&store, "free").await);
    let mut session = schema.session().await;
    lock_run(&mut session, held.run_id).await;
    let moves = || vec![update(&held, &stepped(&held, 2)), update(&free, &stepped(&free, 2))];
    let outcomes = store.commit(moves(), Vec::new()).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Busy);
    assert!(matches!(outcomes[1], Outcome::Stored(Some(_))), "{:?}", outcomes[1]);

    // By itself it waits, and is told in the end that it was in vain.
    let alone = store.commit(vec![update(&held, &stepped(&held, 2))], Vec::new()).await;
    assert_eq!(alone.unwrap_err().kind(), ErrorKind::Transient);
    sqlx::raw_sql("rollback").execute(&mut session).await.unwrap();
    store_over(&store, &held, &stepped(&held, 2)).await;
}

/// Moves of two workflows' runs, the last of which differs in everything that is mostly the same.
fn unlike_moves(usual: &Record, other: &Record) -> [Change; 2] {
    let mut differs = update(other, &paused(other));
    let entry = differs.history.as_mut().unwrap();
    (entry.actor, entry.attempt) = (Actor::Operator, 3);
    let mut plain = update(usual, &stepped(usual, 2));
    plain.history.as_mut().unwrap().object = None;
    [plain, differs]
}

/// Goal: what nearly all changes of a commit have in common is sent once, and what one of them has of its own is stored all
/// the same. Method: unlike runs are made and moved together, at first by a commit that trusts, and then beside a change
/// that is out of date, so that it looks before it writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unusual_of_a_run_is_stored_with_it() {
    let schema = Schema::fresh().await;
    let store = schema.backend().await.store().clone();
    let stale = start(&store, "stale").await;
    store_over(&store, &stale, &stepped(&stale, 2)).await;
    for looks in [false, true] {
        let key = format!("order-{looks}");
        let (usual, mut other) = (new_run(&key), new_run_of(workflow("returns"), &key));
        other.start_key = (!looks).then(|| start_key("once-only"));
        let made = store.commit(vec![creation(&usual), creation(&other)], Vec::new()).await.unwrap();
        let [Outcome::Stored(Some(usual)), Outcome::Stored(Some(other))] = &made[..] else {
            panic!("{made:?}")
        };
        let mut moves = Vec::from(unlike_moves(usual, other));
        let wanted: Vec<HistoryEntry> = moves.iter().filter_map(|change| change.history.clone()).collect();
        moves.extend(looks.then(|| update(&stale, &stepped(&stale, 3))));
        let outcomes = store.commit(moves, Vec::new()).await.unwrap();
        for (wanted, outcome) in wanted.into_iter().zip(&outcomes) {
            let Outcome::Stored(Some(stored)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(found(&store, wanted.run_id).await.as_ref(), Some(stored));
            let query = HistoryQuery { run_id: wanted.run_id, after: None, limit: 10 };
            let entry = store.history(&query).await.unwrap().pop().unwrap();
            assert_eq!(entry, HistoryEntry { at: stored.updated_at, ..wanted });
        }
        assert_eq!(outcomes.get(2).is_some(), looks, "{outcomes:?}");
    }
    let names: HashSet<String> =
        outbox_rows(&store, 20).await.into_iter().map(|row| row.workflow_name.to_string()).collect();
    assert_eq!(names, HashSet::from(["orders".to_owned(), "returns".to_owned()]));
}

/// Goal: a deadlock costs time, not the change. Method: a session that holds a run waits for the role that the commit has
/// locked, while the commit waits for the run; the server lets the commit fail, as the session looks for deadlocks late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_tried_again() {
    let schema = Schema::fresh().await;
    let options = Postgres::options().lock_timeout(Duration::from_secs(30));
    let store = options.connect_to(&schema.named()).await.unwrap().store().clone();
    let run = start(&store, "order-1").await;
    let epoch = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    let mut session = schema.session().await;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    let before: i64 = sqlx::query_scalar(deadlocks).fetch_one(&mut session).await.unwrap();
    sqlx::raw_sql("set deadlock_timeout = '10min'").execute(&mut session).await.unwrap();
    lock_run(&mut session, run.run_id).await;
    let mut change = update(&run, &stepped(&run, 2));
    change.fence = Some(fence(&role(1), epoch));
    let committer = store.clone();
    let committing = tokio::spawn(async move { commit_one(&committer, change).await });
    let waits = "select exists (select 1 from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock')";
    schema.until("the commit waits for the run", waits).await;
    // This waits for the commit's lock of the role, which ends when the commit fails.
    let text = "update workflow_roles set epoch = epoch where role = $1";
    sqlx::query(text).bind(role(1).as_str()).execute(&mut session).await.unwrap();
    sqlx::raw_sql("commit").execute(&mut session).await.unwrap();
    assert!(matches!(committing.await.unwrap(), Outcome::Stored(Some(_))));
    schema
        .until("the server counts the deadlock", &format!("select $1 <> '' and ({deadlocks}) > {before}"))
        .await;
}

/// Goal: an owner that is frozen in the middle of a transaction does not keep its successor out. Method: its attached work
/// waits for the test, so that its session is idle in a transaction that has locked the role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_owner_does_not_block_a_takeover() {
    let schema = Schema::fresh().await;
    let options = Postgres::options()
        .idle_transaction_timeout(Duration::from_millis(400))
        .lock_timeout(Duration::from_millis(400));
    let store = schema.backend_with(options.clone()).await.store().clone();
    let run = start(&store, "order-1").await;
    let old = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    let (frozen, thaw) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut change = update(&run, &stepped(&run, 2));
    change.fence = Some(fence(&role(1), old));
    let (is_frozen, wait) = (Arc::clone(&frozen), Arc::clone(&thaw));
    change.effects = vec![Effect::Attached(attach(move |_| {
        let (is_frozen, wait) = (Arc::clone(&is_frozen), Arc::clone(&wait));
        Box::pin(async move {
            is_frozen.notify_one();
            wait.notified().await;
            Ok::<(), String>(())
        })
    }))];
    let owner = store.clone();
    let committing = tokio::spawn(async move { commit_one(&owner, change).await });
    frozen.notified().await;
    let successor = schema.backend_with(options).await.store().clone();
    let new = successor.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    assert!(new > old);
    thaw.notify_one();
    assert_eq!(committing.await.unwrap(), Outcome::SupersededEpoch { current: new });
    assert_eq!(found(&successor, run.run_id).await, Some(run));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_the_server_refuses_hold_up_no_other_change() {
    let schema = Schema::fresh().await;
    let store = schema.store().await;
    let (bad, good) = (start(&*store, "bad").await, start(&*store, "good").await);
    let mut refused = update(&bad, &stepped(&bad, 2));
    let long = workflow_conformance::samples::callback(1, &"k".repeat(300));
    refused.effects = vec![Effect::PutCallback(long)];
    let outcomes = store.commit(vec![refused, update(&good, &stepped(&good, 2))], Vec::new()).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Busy);
    assert!(matches!(outcomes[1], Outcome::Stored(Some(_))), "{:?}", outcomes[1]);
    assert_eq!(found(&*store, bad.run_id).await.unwrap().version, version(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_with_a_zero_byte_is_stored_without_it() {
    let schema = Schema::fresh().await;
    let store = schema.store().await;
    let run = start(&*store, "order-1").await;
    let mut change = update(&run, &stepped(&run, 2));
    if let Some(entry) = &mut change.history {
        entry.reason = "cut\0off".into();
    }
    assert!(matches!(commit_one(&*store, change).await, Outcome::Stored(Some(_))));
    let query = HistoryQuery { run_id: run.run_id, after: Some(version(1)), limit: 1 };
    assert_eq!(&*store.history(&query).await.unwrap()[0].reason, "cut\u{fffd}off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unused_connections_that_were_lost_are_replaced() {
    let schema = Schema::fresh().await;
    let store = Postgres::options().connect_to(&schema.named()).await.unwrap().store().clone();
    let run = start(&store, "order-1").await;
    for code in 2..5 {
        // As many as the pool has, all of them lost while nothing is under way.
        let reads = (0..8).map(|_| store.lookup(&[]));
        futures_util::future::join_all(reads).await;
        schema.end_sessions().await;
        let now = found(&store, run.run_id).await.unwrap();
        schema.end_sessions().await;
        store_over(&store, &now, &stepped(&now, code)).await;
    }
}

/// Goal: what is inserted without looking for it first holds up nothing when it is there already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_there_already_hold_up_no_transition() {
    let schema = Schema::fresh().await;
    let store = schema.store().await;
    let (one, two) = (start(&*store, "order-1").await, start(&*store, "order-2").await);
    let mut session = schema.session().await;
    let early = "insert into workflow_history (run_id, version, workflow_name, to_status, run_state, reason, actor, attempt, \
                 duration_us, at) select run_id, version + 1, workflow_name, 1, 1, 'early', 'operator', 1, 1, created_at \
                 from workflow_records where run_id = $1";
    sqlx::query(early).bind(one.run_id.to_string()).execute(&mut session).await.unwrap();
    let changes = vec![update(&one, &stepped(&one, 2)), update(&two, &stepped(&two, 2))];
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))), "{outcomes:?}");
    let query = HistoryQuery { run_id: one.run_id, after: Some(version(1)), limit: 10 };
    let entries = store.history(&query).await.unwrap();
    assert_eq!(entries.iter().map(|entry| &*entry.reason).collect::<Vec<_>>(), ["early"]);
    assert_eq!(outbox_rows(&*store, 10).await.len(), 4, "each version has one event");
}
