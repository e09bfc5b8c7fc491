//! A server that is restarted in the middle of a transaction, and under an engine.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod held;
mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use held::Held;
use servers::{End, Kind, Server, Spec};
use store_sql::{MySql, Postgres, mysql, postgres};
use tokio::sync::Notify;
use tokio::task::block_in_place;
use workflow_conformance::samples::{commit_one, found, outbox_rows, start, stepped, update, version};
use workflow_core::adapter::{Attached, Effect, HistoryQuery, Outcome, Store};

/// What the test and the work in the transaction tell each other.
#[derive(Clone, Default)]
struct Meeting {
    calls: Arc<AtomicUsize>,
    begun: Arc<Notify>,
    restarted: Arc<Notify>,
}

impl Meeting {
    /// The first call waits in its transaction until the server has been restarted.
    async fn wait(&self) {
        if self.calls.fetch_add(1, Ordering::AcqRel) == 0 {
            self.begun.notify_one();
            self.restarted.notified().await;
        }
    }
}

async fn restarted_in_mid_transaction(
    mut server: Server,
    store: impl Store + Clone,
    meeting: Meeting,
    work: Attached,
) {
    let run = start(&store, "order-1").await;
    let mut change = update(&run, &stepped(&run, 2));
    change.effects.push(Effect::Attached(work));
    let committer = store.clone();
    let committing = tokio::spawn(async move { commit_one(&committer, change).await });
    meeting.begun.notified().await;
    block_in_place(|| {
        server.end(End::Crash);
        server.start();
    });
    meeting.restarted.notify_one();
    let outcome = committing.await.unwrap();
    assert!(matches!(&outcome, Outcome::Stored(Some(run)) if run.version == version(2)), "{outcome:?}");
    assert_eq!(meeting.calls.load(Ordering::Acquire), 2, "the first transaction went with its server");
    assert_eq!(found(&store, run.run_id).await.unwrap().version, version(2));
    assert_eq!(outbox_rows(&store, 10).await.len(), 2);
    let query = HistoryQuery { run_id: run.run_id, after: None, limit: 10 };
    assert_eq!(store.history(&query).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_postgres_is_made_again_after_a_restart() {
    let server = block_in_place(|| Spec::new(Kind::Postgres).start());
    let store = Postgres::connect(&server.url()).await.unwrap().store().clone();
    let meeting = Meeting::default();
    let shared = meeting.clone();
    let work = postgres::attach(move |connection| {
        let meeting = shared.clone();
        Box::pin(async move {
            meeting.wait().await;
            sqlx::query("select 1").execute(connection).await.map(drop)
        })
    });
    restarted_in_mid_transaction(server, store, meeting, work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_mariadb_is_made_again_after_a_restart() {
    let server = block_in_place(|| Spec::new(Kind::MariaDb).start());
    let store = MySql::connect(&server.url()).await.unwrap().store().clone();
    let meeting = Meeting::default();
    let shared = meeting.clone();
    let work = mysql::attach(move |connection| {
        let meeting = shared.clone();
        Box::pin(async move {
            meeting.wait().await;
            sqlx::query("select 1").execute(connection).await.map(drop)
        })
    });
    restarted_in_mid_transaction(server, store, meeting, work).await;
}

/// The runs are in their first step while the server goes, and store what comes of it while it comes.
async fn goes_on(mut server: Server, held: Held) {
    block_in_place(|| server.end(End::Crash));
    held.release();
    block_in_place(|| server.start());
    held.all_done().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_on_postgres_goes_on_after_a_restart() {
    let server = block_in_place(|| Spec::new(Kind::Postgres).start());
    let held = Held::start(Postgres::connect(&server.url()).await.unwrap(), 100).await;
    goes_on(server, held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_on_mariadb_goes_on_after_a_restart() {
    let server = block_in_place(|| Spec::new(Kind::MariaDb).start());
    let held = Held::start(MySql::connect(&server.url()).await.unwrap(), 100).await;
    goes_on(server, held).await;
}
