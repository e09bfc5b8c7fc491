//! The engine on PostgreSQL: it runs unchanged, one process at a time, with the user's own SQL in its transactions.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgPool};
use store_sql::Postgres;
use store_sql::postgres::attach;
use workflow_core::adapter::{EpochClaim, ErrorKind, Reach, Store};
use workflow_core::{Options, Run, RunState, Running, Status, StatusCode, Step, Workflow, after};

use schemas::Schema;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Transfer {
    Asked = 1,
    Booked = 2,
    Settled = 3,
    Late = 4,
}

impl Status for Transfer {
    const ALL: &'static [Self] = &[Transfer::Asked, Transfer::Booked, Transfer::Settled, Transfer::Late];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        match self {
            Transfer::Asked => "Asked",
            Transfer::Booked => "Booked",
            Transfer::Settled => "Settled",
            Transfer::Late => "Late",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Sum {
    cents: i64,
}

async fn book(run: &mut Run<Sum, Transfer>) -> Step<Transfer> {
    let cents = run.object.cents;
    run.attach(attach(move |connection| {
        Box::pin(async move {
            let move_money = "update accounts set cents = cents + case id when 1 then -$1 else $1 end";
            sqlx::query(move_money).bind(cents).execute(connection).await?;
            Ok::<(), sqlx::Error>(())
        })
    }));
    Ok(Transfer::Booked)
}

async fn settle(_: &mut Run<Sum, Transfer>) -> Step<Transfer> {
    Ok(Transfer::Settled)
}

async fn too_late(_: &mut Run<Sum, Transfer>) -> Step<Transfer> {
    Ok(Transfer::Late)
}

async fn transfers(backend: &Postgres) -> Running<Sum, Transfer> {
    let workflow = Workflow::builder("transfers")
        .step(Transfer::Asked, book, [Transfer::Booked, Transfer::Late])
        .step(Transfer::Booked, settle, [Transfer::Settled])
        .options(Options::new())
        .build()
        .unwrap();
    workflow.run(backend).await.unwrap()
}

async fn accounts(pool: &PgPool) -> (i64, i64) {
    let rows: Vec<i64> =
        sqlx::query_scalar("select cents from accounts order by id").fetch_all(pool).await.unwrap();
    (rows[0], rows[1])
}

const ACCOUNTS: &str = "create table accounts (id integer primary key, cents bigint not null check (cents >= 0)); insert \
                        into accounts values (1, 1000), (2, 0)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attached_work_is_done_once_for_each_run() {
    const RUNS: usize = 50;
    let schema = Schema::fresh().await;
    let backend = schema.backend().await;
    let pool = backend.store().pool().clone();
    sqlx::raw_sql(ACCOUNTS).execute(&pool).await.unwrap();
    let running = transfers(&backend).await;
    let mut runs = Vec::new();
    for number in 0..RUNS {
        runs.push(running.trigger(format!("transfer-{number}"), Sum { cents: 2 }).await.unwrap());
    }
    for run in &runs {
        let done = running.wait_for(run).finished().await.unwrap();
        assert_eq!(done.status(), Transfer::Settled);
    }
    assert_eq!(accounts(&pool).await, (1000 - 2 * RUNS as i64, 2 * RUNS as i64));
    running.shutdown(Duration::from_secs(10)).await;
}

/// Goal: work that fails leaves nothing of the transition, and none of its own. Method: an account may not be overdrawn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attached_work_that_fails_takes_the_transition_with_it() {
    let schema = Schema::fresh().await;
    let backend = schema.backend().await;
    let pool = backend.store().pool().clone();
    sqlx::raw_sql(ACCOUNTS).execute(&pool).await.unwrap();
    let running = transfers(&backend).await;
    let run = running.trigger("too much", Sum { cents: 5000 }).await.unwrap();
    let failed = "select exists (select 1 from workflow_retries where $1 <> '' and last_error like '%accounts_cents_check%')";
    schema.until("the failure is noted", failed).await;
    assert_eq!(running.get(&run).await.unwrap().status(), Transfer::Asked);
    assert_eq!(accounts(&pool).await, (1000, 0));
    sqlx::raw_sql("update accounts set cents = 6000 where id = 1").execute(&pool).await.unwrap();
    assert_eq!(running.wait_for(&run).finished().await.unwrap().status(), Transfer::Settled);
    assert_eq!(accounts(&pool).await, (1000, 5000));
    running.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_fires_by_the_servers_clock() {
    let schema = Schema::fresh().await;
    let backend = schema.backend().await;
    let workflow = Workflow::builder("transfers")
        .timeout(
            Transfer::Asked,
            after(Duration::from_millis(30)),
            too_late,
            [Transfer::Late, Transfer::Booked, Transfer::Settled],
        )
        .build()
        .unwrap();
    let running = workflow.run(&backend).await.unwrap();
    let run = running.trigger("slow", Sum { cents: 1 }).await.unwrap();
    let done = running.wait_for(&run).finished().await.unwrap();
    assert_eq!((done.status(), done.run_state()), (Transfer::Late, RunState::Completed));
    running.shutdown(Duration::from_secs(10)).await;
}

/// What one process leaves unfinished when it is gone, the next one takes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_takes_over_what_the_first_left() {
    let schema = Schema::fresh().await;
    let first = schema.backend().await;
    sqlx::raw_sql(ACCOUNTS).execute(first.store().pool()).await.unwrap();
    let held = Arc::new(tokio::sync::Notify::new());
    let stuck = async |_: &mut Run<Sum, Transfer>, held: &Arc<tokio::sync::Notify>| -> Step<Transfer> {
        held.notify_one();
        std::future::pending::<()>().await;
        Ok(Transfer::Booked)
    };
    let workflow = Workflow::builder("transfers")
        .step(Transfer::Asked, stuck, [Transfer::Booked, Transfer::Settled, Transfer::Late])
        .state(Arc::clone(&held))
        .build()
        .unwrap();
    let stuck = workflow.run(&first).await.unwrap();
    let run = stuck.trigger("transfer-1", Sum { cents: 100 }).await.unwrap();
    held.notified().await;
    let second = schema.backend().await;
    assert_eq!(
        second.store().start_engine(Reach::Process).await.unwrap_err().kind(),
        ErrorKind::AlreadyRunning
    );
    stuck.shutdown(Duration::ZERO).await;
    let running = transfers(&second).await;
    let done = running.wait_for(&run).finished().await.unwrap();
    assert_eq!(done.status(), Transfer::Settled);
    assert_eq!(accounts(second.store().pool()).await, (900, 100));
    running.shutdown(Duration::from_secs(10)).await;
}

/// Goal: an engine whose session with the lock is lost may not go on once another one has the lock. Method: the session is
/// ended while a second handle waits for the lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_right_is_noticed_and_had_again() {
    let schema = Schema::fresh().await;
    let own = Postgres::options().connect_to(&schema.named()).await.unwrap().store().clone();
    let other = schema.store().await;
    own.start_engine(Reach::Process).await.unwrap();
    let role = workflow_conformance::samples::role(1);
    own.register(&role, EpochClaim::Next).await.unwrap().unwrap();
    // Whoever of the two is faster has it; the test is about the case in which it is the other one.
    let mut session = schema.session().await;
    let blocked = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{}'; select \
         pg_advisory_lock(hashtext('workflow-engine'), 'workflow_records'::regclass::oid::integer)",
        schema.name()
    );
    sqlx::raw_sql(AssertSqlSafe(blocked)).execute(&mut session).await.unwrap();
    loop {
        match own.register(&role, EpochClaim::Next).await {
            Err(error) if error.kind() == ErrorKind::AlreadyRunning => break,
            _ => tokio::task::yield_now().await,
        }
    }
    assert_eq!(other.start_engine(Reach::Process).await.unwrap_err().kind(), ErrorKind::AlreadyRunning);
    drop(session);
    while own.register(&role, EpochClaim::Next).await.is_err() {
        tokio::task::yield_now().await;
    }
    own.stop_engine().await;
    other.start_engine(Reach::Process).await.unwrap();
    other.stop_engine().await;
}
