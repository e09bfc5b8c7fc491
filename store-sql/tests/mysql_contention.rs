//! Writers in each other's way: on MariaDB, nothing that a transaction did is left half done.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mysql_support::{Database, inconsistencies};
use sqlx::{Connection, Row};
use store_sql::MySql;
use store_sql::mysql::{MySqlStore, attach};
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinSet;
use workflow_conformance::samples::{
    callback, commit_one, completed, creation, dead_letter, effects_at, fence, found, new_run, orders,
    retry_key, retry_row, role, slot, start, status, stepped, timer, timer_key, update,
};
use workflow_core::adapter::{Change, Effect, EpochClaim, ErrorKind, Outcome, SlotKey, Store};
use workflow_core::{Due, EventId, Record};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_triggers_and_steps_of_two_handles_leave_every_version_once() {
    let database = Database::fresh().await;
    let handles = [database.open().await, database.open().await];
    let mut writers = JoinSet::new();
    for writer in 0..32 {
        let store = handles[writer % 2].store().clone();
        writers.spawn(async move {
            let new = new_run(&format!("order-{}", writer % 8));
            let mut record = match commit_one(&store, creation(&new)).await {
                Outcome::Stored(record) => record.unwrap(),
                Outcome::DuplicateActiveRun { run_id } => found(&store, run_id).await.unwrap(),
                refused => panic!("neither created nor a duplicate: {refused:?}"),
            };
            for status in 2..6 {
                match commit_one(&store, update(&record, &stepped(&record, status))).await {
                    Outcome::Stored(stored) => record = stored.unwrap(),
                    Outcome::VersionConflict { .. } => record = found(&store, record.run_id).await.unwrap(),
                    Outcome::Busy => {}
                    refused => panic!("neither stored nor a conflict: {refused:?}"),
                }
            }
        });
    }
    writers.join_all().await;
    let mut connection = database.beside().await;
    let runs: i64 =
        sqlx::query_scalar("select count(*) from workflow_records").fetch_one(&mut connection).await.unwrap();
    assert_eq!(runs, 8);
    assert_eq!(inconsistencies(&database).await, 0);
    let checked =
        sqlx::raw_sql("check table workflow_records extended").fetch_one(&mut connection).await.unwrap();
    assert_eq!(checked.get::<String, _>(3), "OK", "the index over generated columns is whole");
    connection.close().await.unwrap();
}

/// A change that steps a run on, with work of the user's.
fn with_work(record: &Record, work: workflow_core::adapter::Attached) -> Change {
    let mut change = update(record, &stepped(record, 2));
    change.effects.push(Effect::Attached(work));
    change
}

async fn accounts(database: &Database) {
    database
        .run(
            "create table accounts (id int primary key, cents int not null) engine=InnoDB; insert into accounts values (1, \
             0), (2, 0)",
        )
        .await;
}

async fn cents(database: &Database) -> Vec<i32> {
    let mut connection = database.beside().await;
    sqlx::query_scalar("select cents from accounts order by id").fetch_all(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_begun_again_and_stored_once() {
    let database = Database::fresh().await;
    accounts(&database).await;
    let backend = database.open().await;
    let store = backend.store();
    let (barrier, calls) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let transfer = |first: i32, second: i32| {
        let (barrier, calls) = (Arc::clone(&barrier), Arc::clone(&calls));
        attach(move |connection| {
            let (barrier, calls) = (Arc::clone(&barrier), Arc::clone(&calls));
            Box::pin(async move {
                let add = "update accounts set cents = cents + 1 where id = ?";
                sqlx::query(add).bind(first).execute(&mut *connection).await?;
                if calls.fetch_add(1, Ordering::AcqRel) < 2 {
                    // Both have their first row, so one of them must be chosen to give way.
                    barrier.wait().await;
                }
                sqlx::query(add).bind(second).execute(connection).await?;
                Ok::<(), sqlx::Error>(())
            })
        })
    };
    let (one, two) = (start(store, "one").await, start(store, "two").await);
    let changes = vec![with_work(&one, transfer(1, 2)), with_work(&two, transfer(2, 1))];
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    assert!(outcomes.iter().all(|each| matches!(each, Outcome::Stored(_))), "{outcomes:?}");
    assert_eq!(calls.load(Ordering::Acquire), 3, "one of them gave way");
    assert_eq!(cents(&database).await, [2, 2]);
    assert_eq!(inconsistencies(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_had_in_time_undoes_the_whole_transaction() {
    let database = Database::fresh().await;
    accounts(&database).await;
    let backend = database.open().await;
    let store = backend.store().clone();
    let mut holder = database.beside().await;
    sqlx::raw_sql("start transaction; update accounts set cents = 10 where id = 1")
        .execute(&mut holder)
        .await
        .unwrap();
    let (calls, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let work = {
        let (calls, again) = (Arc::clone(&calls), Arc::clone(&again));
        attach(move |connection| {
            let (calls, again) = (Arc::clone(&calls), Arc::clone(&again));
            Box::pin(async move {
                sqlx::query("update accounts set cents = cents + 1 where id = 2")
                    .execute(&mut *connection)
                    .await?;
                if calls.fetch_add(1, Ordering::AcqRel) > 0 {
                    again.notify_one();
                }
                sqlx::query("update accounts set cents = cents + 1 where id = 1").execute(connection).await?;
                Ok::<(), sqlx::Error>(())
            })
        })
    };
    let record = start(&store, "one").await;
    let change = with_work(&record, work);
    let mut committing = tokio::spawn(async move { store.commit(vec![change], Vec::new()).await.unwrap() });
    tokio::select! {
        // The second attempt shows that the first one ended with the lock's time-out (1205).
        () = again.notified() => {}
        ended = &mut committing => panic!("it ended without a second attempt: {ended:?}"),
    }
    assert_eq!(inconsistencies(&database).await, 0, "nothing of the first attempt is there");
    sqlx::raw_sql("commit").execute(&mut holder).await.unwrap();
    let outcomes = committing.await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Stored(_)]), "{outcomes:?}");
    assert_eq!(cents(&database).await, [11, 1], "the other row was added to once");
    assert_eq!(inconsistencies(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_somebody_holds_is_busy_and_holds_up_no_other() {
    let database = Database::fresh().await;
    let backend = database.open().await;
    let store = backend.store();
    let (held, free) = (start(store, "held").await, start(store, "free").await);
    let mut holder = database.beside().await;
    sqlx::raw_sql("start transaction").execute(&mut holder).await.unwrap();
    sqlx::query("select * from workflow_records where run_id = ? for update")
        .bind(held.run_id.to_string())
        .execute(&mut holder)
        .await
        .unwrap();
    let changes = || vec![update(&held, &stepped(&held, 2)), update(&free, &stepped(&free, 2))];
    let outcomes = store.commit(changes(), Vec::new()).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Busy);
    assert!(matches!(outcomes[1], Outcome::Stored(_)), "{outcomes:?}");
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    assert!(matches!(commit_one(store, changes().remove(0)).await, Outcome::Stored(_)));
    assert_eq!(inconsistencies(&database).await, 0);
}

/// A transaction that froze while it held the role's row: the server ends it, and the frozen owner stores nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_transaction_does_not_keep_a_role_for_ever() {
    let database = Database::fresh().await;
    let frozen = database.open_with(MySql::options().idle_transaction_timeout(Duration::from_secs(1))).await;
    let other = database.open().await;
    let role = role(1);
    let epoch = frozen.store().register(&role, EpochClaim::Next).await.unwrap().unwrap();
    let record = start(frozen.store(), "one").await;
    let (begun, thaw) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let work = {
        let (begun, thaw) = (Arc::clone(&begun), Arc::clone(&thaw));
        attach(move |_| {
            let (begun, thaw) = (Arc::clone(&begun), Arc::clone(&thaw));
            Box::pin(async move {
                begun.notify_one();
                thaw.notified().await;
                Ok::<(), sqlx::Error>(())
            })
        })
    };
    let mut change = with_work(&record, work);
    change.fence = Some(fence(&role, epoch));
    let store = frozen.store().clone();
    let committing = tokio::spawn(async move { store.commit(vec![change], Vec::new()).await.unwrap() });
    begun.notified().await;
    let next = other.store().register(&role, EpochClaim::Next).await.unwrap().unwrap();
    assert!(next > epoch);
    thaw.notify_one();
    assert_eq!(committing.await.unwrap(), [Outcome::SupersededEpoch { current: next }]);
    assert_eq!(found(other.store(), record.run_id).await.unwrap().version, record.version);
    assert_eq!(inconsistencies(&database).await, 0);
}

/// Kills the store's sessions until so many were killed.
async fn kill_sessions(database: &Database, at_least: usize) {
    let mut killer = database.beside().await;
    let mut killed = 0;
    while killed < at_least {
        let text = "select cast(id as signed) from information_schema.processlist where db = ? and id <> connection_id() and command in \
                    ('Query', 'Execute', 'Prepare')";
        let sessions = sqlx::query_scalar::<_, i64>(text).bind(database.name()).fetch_all(&mut killer).await;
        for session in sessions.unwrap() {
            let kill = sqlx::AssertSqlSafe(format!("kill connection {session}"));
            killed += usize::from(sqlx::raw_sql(kill).execute(&mut killer).await.is_ok());
        }
        tokio::task::yield_now().await;
    }
    killer.close().await.unwrap();
}

/// Stores versions of a run as long as it is told to; gives the version that it knows is stored, and whether one more may
/// be.
async fn step_on(store: MySqlStore, mut record: Arc<Record>, stop: Arc<AtomicUsize>) -> (u64, bool) {
    // A session that was killed in its COMMIT may end it after its client has looked: its event may come late.
    let mut late = Vec::new();
    while stop.load(Ordering::Acquire) == 0 {
        let next = stepped(&record, 2);
        match store.commit(vec![update(&record, &next)], Vec::new()).await {
            Ok(outcomes) => match outcomes.into_iter().next() {
                Some(Outcome::Stored(stored)) => (record, late) = (stored.unwrap(), Vec::new()),
                Some(Outcome::Busy) => late.push(next.last_event_id),
                Some(Outcome::VersionConflict { .. }) => {
                    record = read_back(&store, &record).await;
                    assert!(late.contains(&record.last_event_id), "nobody else writes to this run");
                    late.clear();
                }
                refused => panic!("neither stored nor a conflict: {refused:?}"),
            },
            Err(error) if error.kind() == ErrorKind::UnknownOutcome => {
                let found = read_back(&store, &record).await;
                if found.version == record.version {
                    late.push(next.last_event_id);
                } else {
                    late.push(next.last_event_id);
                    assert!(late.contains(&found.last_event_id), "it is one of its own versions");
                    (record, late) = (found, Vec::new());
                }
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error:?}"),
        }
    }
    (record.version.get(), !late.is_empty())
}

/// A run as it is stored now, asked for until it can be told.
async fn read_back(store: &MySqlStore, record: &Record) -> Arc<Record> {
    loop {
        if let Ok(found) = store.lookup(&[record.run_id]).await {
            return found.into_iter().next().unwrap().unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_sessions_leave_no_record_without_its_event() {
    let database = Database::fresh().await;
    let backend = database.open().await;
    let stop = Arc::new(AtomicUsize::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let record = start(backend.store(), &format!("order-{writer}")).await;
        writers.spawn(step_on(backend.store().clone(), record, Arc::clone(&stop)));
    }
    kill_sessions(&database, 60).await;
    stop.store(1, Ordering::Release);
    let told = writers.join_all().await;
    let (known, late) =
        told.iter().fold((0, 0), |(sum, late), each| (sum + each.0, late + u64::from(each.1)));
    let mut connection = database.beside().await;
    // The locks are had once every session that was killed has ended.
    let text = "select cast(sum(version) as signed) from workflow_records for update";
    let stored: i64 = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
    assert!((known..=known + late).contains(&stored.unsigned_abs()), "{known} and {late}, but {stored}");
    assert_eq!(inconsistencies(&database).await, 0);
    connection.close().await.unwrap();
}

/// What a transaction beside the store has written and holds: a row in every table, before and behind all others.
const BESIDE: &str = "begin;
insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, version)
 values ('other', 'a', '0', 5, 1, '', '2000-01-01', '2000-01-01', 1), ('other', 'b', 'z', 5, 1, '', now(3), now(3), 1);
insert into workflow_outbox (id, workflow_name, created_at) values ('0', 'other', now(3)), ('z', 'other', now(3));
insert into workflow_timeouts (run_id, entered, name, workflow_name, foreign_id, status, expire_at, created_at)
 values ('0', 1, '0', 'other', 'a', 1, now(3), now(3)), ('z', 1, '0', 'other', 'a', 1, now(3), now(3));
insert into workflow_retries (run_id, version, process, workflow_name, attempt, last_error, event)
 values ('0', 1, 'p', 'other', 1, '', ''), ('z', 1, 'p', 'other', 1, '', '');
insert into workflow_history (run_id, version, workflow_name, to_status, run_state, reason, actor, attempt, duration_us, at)
 values ('0', 1, 'other', 1, 1, '', 'step', 1, 1, now(3)), ('z', 1, 'other', 1, 1, '', 'step', 1, 1, now(3));
insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, data, created_at)
 values ('0', 'other', '0', 1, 'p', '', '', now(3)), ('z', 'other', 'z', 1, 'p', '', '', now(3));
insert into workflow_inbox (run_id, status, `key`, payload, applied, noted)
 values ('0', 1, 'k', '', 0, 1), ('z', 1, 'k', '', 0, 1);
insert into workflow_slots (workflow_name, foreign_id, spec, slot)
 values ('a', 'a', '@daily', now(3)), ('z', 'z', '@daily', now(3))";

/// Makes changes, each of which must be stored.
async fn all_stored(store: &MySqlStore, changes: Vec<Change>, acked: Vec<EventId>) {
    let outcomes = store.commit(changes, acked).await.unwrap();
    assert!(outcomes.iter().all(|each| matches!(each, Outcome::Stored(_))), "{outcomes:?}");
}

/// What a run is given, and what is then done to it.
fn given_and_done(run: &Record) -> (Vec<Effect>, [Vec<Effect>; 2]) {
    let callback = |name: &str| Effect::PutCallback(callback(1, name));
    let slot = || SlotKey { foreign_id: run.foreign_id.clone(), ..slot(1) };
    let given = vec![
        timer(run, "0", Due::In(Duration::ZERO)),
        timer(run, "1", Due::In(Duration::ZERO)),
        Effect::PutRetry(retry_row(run, "p", None)),
        Effect::PutRetry(retry_row(run, "q", None)),
        callback("k"),
        callback("l"),
        Effect::TakeSlot(slot()),
        Effect::PutDeadLetter(dead_letter(run, &run.run_id.to_string())),
    ];
    let some = vec![
        Effect::HoldTimer(timer_key(run, "0")),
        Effect::ReleaseTimers,
        Effect::CompleteTimer(timer_key(run, "0")),
        Effect::CancelTimers(Some(run.version)),
        Effect::ReplaceRetry(retry_row(run, "p", None)),
        Effect::DeleteRetry(retry_key(run, "q")),
        Effect::ApplyCallback { status: status(1), key: "k".into() },
        Effect::ForgetSlots(slot()),
    ];
    (given, [some, vec![Effect::CancelTimers(None), Effect::Scrub, Effect::DeleteRetries]])
}

/// Does everything that looks rows up and locks them to so many runs, beside a transaction that ends only afterwards.
async fn use_beside(runs: usize) {
    let database = Database::fresh().await;
    let backend = database.open_with(MySql::options().lock_timeout(Duration::from_secs(1))).await;
    let store = backend.store();
    let mut started = Vec::new();
    for number in 0..runs {
        started.push(start(store, &format!("order-{number}")).await);
    }
    let (given, done): (Vec<_>, Vec<_>) = started.iter().map(|run| given_and_done(run)).unzip();
    let at = |(run, effects): (&Arc<Record>, Vec<Effect>)| effects_at(run, effects);
    all_stored(store, started.iter().zip(given).map(at).collect(), Vec::new()).await;
    let mut beside = database.beside().await;
    sqlx::raw_sql(BESIDE).execute(&mut beside).await.unwrap();
    let (some, rest): (Vec<_>, Vec<_>) = done.into_iter().map(|[some, rest]| (some, rest)).unzip();
    all_stored(store, started.iter().zip(some).map(at).collect(), Vec::new()).await;
    all_stored(store, started.iter().zip(rest).map(at).collect(), Vec::new()).await;
    let acked = started.iter().filter_map(|run| run.last_event_id).collect();
    let ended = started.iter().map(|run| update(run, &completed(run))).collect();
    all_stored(store, ended, acked).await;
    let mut ids = Vec::new();
    for run in &started {
        ids.extend(found(store, run.run_id).await.unwrap().last_event_id);
    }
    all_stored(store, Vec::new(), ids).await;
    assert_eq!(store.purge(&orders(), Duration::ZERO, 1000).await.unwrap(), runs as u64);
    beside.close().await.unwrap();
}

/// The smaller a table is, the sooner the server would rather read the whole of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_transaction_beside_hold_up_no_other() {
    for runs in [1, 2, 3, 10, 40] {
        use_beside(runs).await;
    }
}
