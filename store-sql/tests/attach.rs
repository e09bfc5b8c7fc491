//! A user's own SQL in the transaction of a transition: money moves from one account to another once, or not at all.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use store_sql::Sqlite;
use store_sql::sqlite::attach;
use tokio::sync::Notify;
use workflow_core::{
    Options, RetryPolicy, Run, RunId, RunState, Running, Status, StatusCode, Step, Workflow,
};

const SHUTDOWN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Transfer {
    Asked = 1,
    Moved = 2,
}

impl Status for Transfer {
    const ALL: &'static [Self] = &[Transfer::Asked, Transfer::Moved];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        if self == Transfer::Asked { "Asked" } else { "Moved" }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Amount {
    cents: i64,
}

/// What the tests make the attached work do.
#[derive(Clone, Default)]
struct Bank {
    /// How many calls of the work fail after they have moved the money.
    failures: Arc<AtomicU32>,
    calls: Arc<AtomicU32>,
    /// Where a slow transfer waits until it may go on.
    begun: Arc<Notify>,
    may_end: Arc<Notify>,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error("the bank is closed")]
    Closed,
}

async fn transfer(run: &mut Run<Amount, Transfer>, bank: &Bank) -> Step<Transfer> {
    let (cents, bank, id) = (run.object.cents, bank.clone(), run.foreign_id().as_str());
    let (slow, rude) = (id == "slow", id == "rude");
    run.attach(attach(move |connection| {
        let bank = bank.clone();
        Box::pin(async move {
            bank.calls.fetch_add(1, Ordering::AcqRel);
            for (sign, name) in [(-1, "mine"), (1, "yours")] {
                let sql = "update accounts set cents = cents + ? where name = ?";
                sqlx::query(sql).bind(sign * cents).bind(name).execute(&mut *connection).await?;
            }
            if slow {
                bank.begun.notify_one();
                bank.may_end.notified().await;
            }
            if rude {
                sqlx::query("rollback").execute(connection).await?;
            }
            let fails = |left: u32| left.checked_sub(1);
            match bank.failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, fails) {
                Ok(_) => Err(Failed::Closed),
                Err(_) => Ok(()),
            }
        })
    }));
    Ok(Transfer::Moved)
}

fn transfers(bank: &Bank) -> Workflow<Amount, Transfer> {
    let quick = RetryPolicy { base: Duration::from_millis(1), cap: Duration::from_millis(1) };
    Workflow::builder("transfers")
        .step(Transfer::Asked, transfer, [Transfer::Moved])
        .with(Options::new().retry(quick).pause_after(5))
        .state(bank.clone())
        .build()
        .unwrap()
}

async fn connect(file: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap()
}

async fn number(file: &Path, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut connect(file).await).await.unwrap()
}

async fn mine(file: &Path) -> i64 {
    assert_eq!(number(file, "select sum(cents) from accounts").await, 1000, "money was made or lost");
    number(file, "select cents from accounts where name = 'mine'").await
}

async fn run(file: &Path, bank: &Bank) -> Running<Amount, Transfer> {
    let database = Sqlite::open(file).await.unwrap();
    let accounts =
        "create table if not exists accounts (name text primary key, cents integer check (cents >= 0));
                    insert or ignore into accounts values ('mine', 1000), ('yours', 0)";
    sqlx::raw_sql(accounts).execute(&mut connect(file).await).await.unwrap();
    transfers(bank).run(database).await.unwrap()
}

async fn at_rest(running: &Running<Amount, Transfer>, run: &RunId) -> (RunState, String) {
    let rest = running.wait_for(run).at_rest().await.unwrap();
    (rest.run_state(), rest.reason().to_owned())
}

#[tokio::test]
async fn money_moves_once_however_often_the_work_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let (file, bank) = (folder.path().join("bank.db"), Bank::default());
    bank.failures.store(3, Ordering::Release);
    let running = run(&file, &bank).await;
    let moved = running.trigger("transfer-1", Amount { cents: 70 }).await.unwrap();
    assert_eq!(at_rest(&running, &moved).await.0, RunState::Completed);
    assert_eq!(bank.calls.load(Ordering::Acquire), 4);
    assert_eq!(mine(&file).await, 930);
    running.shutdown(SHUTDOWN).await;
}

#[tokio::test]
async fn work_that_fails_leaves_nothing_and_its_run_is_paused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (file, bank) = (folder.path().join("bank.db"), Bank::default());
    let running = run(&file, &bank).await;
    let too_much = running.trigger("too much", Amount { cents: 1001 }).await.unwrap();
    let (state, reason) = at_rest(&running, &too_much).await;
    assert_eq!(state, RunState::Paused);
    assert!(reason.contains("CHECK constraint failed"), "{reason}");
    assert_eq!((mine(&file).await, bank.calls.load(Ordering::Acquire)), (1000, 5));
    assert_eq!(number(&file, "select count(*) from workflow_history where to_status = 2").await, 0);
    bank.failures.store(u32::MAX, Ordering::Release);
    let closed = running.trigger("closed", Amount { cents: 1 }).await.unwrap();
    assert!(at_rest(&running, &closed).await.1.contains("the bank is closed"));
    assert_eq!(mine(&file).await, 1000);
    bank.failures.store(0, Ordering::Release);
    running.resume(&closed).await.unwrap();
    assert_eq!(at_rest(&running, &closed).await.0, RunState::Completed);
    assert_eq!(mine(&file).await, 999);
    running.shutdown(SHUTDOWN).await;
}

#[tokio::test]
async fn work_that_takes_long_holds_others_up_but_takes_nothing_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let (file, bank) = (folder.path().join("bank.db"), Bank::default());
    let running = run(&file, &bank).await;
    let slow = running.trigger("slow", Amount { cents: 100 }).await.unwrap();
    bank.begun.notified().await;
    let client = running.client();
    let others = tokio::spawn(async move {
        let starts = (0..50).map(|number| (format!("transfer-{number}"), Amount { cents: 1 }));
        client.trigger_all(starts).await.unwrap()
    });
    // Readers are not held up, and see none of what is not committed.
    assert_eq!(mine(&file).await, 1000);
    assert_eq!(running.get(&slow).await.unwrap().version().get(), 1);
    bank.may_end.notify_one();
    for other in others.await.unwrap() {
        assert_eq!(at_rest(&running, &other.unwrap()).await.0, RunState::Completed);
    }
    assert_eq!(at_rest(&running, &slow).await.0, RunState::Completed);
    assert_eq!(mine(&file).await, 1000 - 100 - 50);
    running.shutdown(SHUTDOWN).await;
}

#[tokio::test]
async fn work_that_ends_the_transaction_itself_fails_as_work_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, bank) = (folder.path().join("bank.db"), Bank::default());
    let running = run(&file, &bank).await;
    let rude = running.trigger("rude", Amount { cents: 100 }).await.unwrap();
    let (state, reason) = at_rest(&running, &rude).await;
    assert_eq!(state, RunState::Paused);
    assert!(reason.contains("no such savepoint"), "{reason}");
    assert_eq!(mine(&file).await, 1000);
    running.shutdown(SHUTDOWN).await;
}
