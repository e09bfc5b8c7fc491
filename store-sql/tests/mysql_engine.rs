//! The engine runs on a MariaDB database as on any other backend.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mysql_support::Database;
use serde::{Deserialize, Serialize};
use sqlx::Connection;
use store_sql::MySql;
use store_sql::mysql::attach;
use workflow_core::{Error, Run, RunState, Status, StatusCode, Step, Workflow};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Asked = 1,
    Paid = 2,
    Done = 3,
}

impl Status for Stage {
    const ALL: &'static [Self] = &[Stage::Asked, Stage::Paid, Stage::Done];

    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }

    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.code() == code)
    }

    fn name(self) -> &'static str {
        match self {
            Stage::Asked => "Asked",
            Stage::Paid => "Paid",
            Stage::Done => "Done",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Transfer {
    cents: i32,
}

async fn pay(run: &mut Run<Transfer, Stage>) -> Step<Stage> {
    let cents = run.object.cents;
    run.attach(attach(move |connection| {
        Box::pin(async move {
            let text = "update accounts set cents = cents + ? where id = 1";
            sqlx::query(text).bind(cents).execute(connection).await.map(drop)
        })
    }));
    Ok(Stage::Paid)
}

/// Fails the first time, so that a retry row is written, becomes due, and is gone again.
async fn finish(_: &mut Run<Transfer, Stage>) -> Step<Stage> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    if CALLS.fetch_add(1, Ordering::AcqRel) == 0 {
        "not yet".parse::<u32>()?;
    }
    Ok(Stage::Done)
}

fn transfers() -> Workflow<Transfer, Stage> {
    Workflow::builder("transfers")
        .step(Stage::Asked, pay, [Stage::Paid])
        .step(Stage::Paid, finish, [Stage::Done])
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_end_with_their_attached_work_done_once() {
    const RUNS: usize = 50;
    let database = Database::fresh().await;
    database.run("create table accounts (id int primary key, cents int not null); insert into accounts values (1, 0)").await;
    let running = transfers().run(database.open().await).await.unwrap();
    let second = transfers().run(database.open().await).await.err();
    assert!(matches!(second, Some(Error::Backend(_))), "{second:?}");
    let mut runs = Vec::new();
    for number in 0..RUNS {
        runs.push(running.trigger(format!("order-{number}"), Transfer { cents: 5 }).await.unwrap());
    }
    for run in &runs {
        let done = running.wait_for(run).finished().await.unwrap();
        assert_eq!((done.status(), done.run_state()), (Stage::Done, RunState::Completed));
    }
    running.shutdown(Duration::from_secs(10)).await;
    let mut connection = database.beside().await;
    let cents: i32 =
        sqlx::query_scalar("select cents from accounts").fetch_one(&mut connection).await.unwrap();
    assert_eq!(cents, 5 * RUNS as i32);
    for table in ["workflow_outbox", "workflow_retries"] {
        let text = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let rows: i64 = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_triggers_and_the_engine_sees_it() {
    let database = Database::fresh().await;
    database.run("create table accounts (id int primary key, cents int not null); insert into accounts values (1, 0)").await;
    let poll = MySql::options().poll_every(Duration::from_millis(50));
    let running = transfers().run(database.open_with(poll).await).await.unwrap();
    let elsewhere = transfers().connect(database.open().await).await.unwrap();
    let run = elsewhere.trigger("order-1", Transfer { cents: 5 }).await.unwrap();
    let done = elsewhere.wait_for(&run).finished().await.unwrap();
    assert_eq!(done.status(), Stage::Done);
    running.shutdown(Duration::from_secs(10)).await;
}
