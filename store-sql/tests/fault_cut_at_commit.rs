//! A connection to MariaDB that is cut exactly at the commit: what became of it is read back, and it is made once.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod servers;

use std::sync::Arc;

use mysql_support::{Database, inconsistencies};
use servers::proxy::{Cut, Proxy};
use store_sql::config::{Dsn, MySqlDsn};
use store_sql::mysql::{MySqlStore, attach};
use store_sql::{MySql, config};
use workflow_conformance::samples::{
    commit_one, creation, found, new_run, outbox_rows, start, stepped, store_over, update, version,
};
use workflow_core::adapter::{Effect, HistoryQuery, Outcome, Store};

/// A store whose connections go through a proxy.
async fn through_proxy(database: &Database) -> (Proxy, MySqlStore) {
    let Ok(Dsn::MySql(server)) = database.url().parse() else { panic!("it is no MariaDB's") };
    let proxy = Proxy::before(server.host.clone(), server.port).await;
    let tls = config::Tls { mode: Some(config::TlsMode::Disabled), ..config::Tls::default() };
    let through = MySqlDsn { host: "127.0.0.1".to_owned(), port: proxy.port, tls, ..server };
    let backend = MySql::options().connect_to(&through).await.unwrap();
    (proxy, backend.store().clone())
}

async fn cut_at_commit(cut: Cut) {
    let database = Database::fresh().await;
    let (proxy, store) = through_proxy(&database).await;
    let mut run = start(&store, "order-1").await;
    for round in 2..=4 {
        proxy.arm(cut);
        run = store_over(&store, &run, &stepped(&run, round)).await;
        assert!(proxy.has_cut(), "the commit did not go through the proxy");
    }
    assert_eq!(found(&store, run.run_id).await, Some(Arc::clone(&run)));
    assert_eq!(run.version, version(4));
    let query = HistoryQuery { run_id: run.run_id, after: None, limit: 10 };
    assert_eq!(store.history(&query).await.unwrap().len(), 4);
    assert_eq!(outbox_rows(&store, 10).await.len(), 4, "each version has one event");
    acknowledged_and_created(&proxy, cut, &store).await;
    assert_eq!(
        outbox_rows(&store, 10).await.len(),
        2,
        "what was acknowledged is gone, and the new ones are there"
    );
}

/// Commits of acknowledgements alone, and of many runs at once, one of which is refused.
async fn acknowledged_and_created(proxy: &Proxy, cut: Cut, store: &MySqlStore) {
    let acked = outbox_rows(store, 10).await.into_iter().map(|row| row.id.parse().unwrap()).collect();
    proxy.arm(cut);
    store.commit(Vec::new(), acked).await.unwrap();
    assert!(proxy.has_cut());
    let (one, two) = (new_run("order-2"), new_run("order-3"));
    let twice = new_run("order-2");
    proxy.arm(cut);
    let changes = vec![creation(&one), creation(&two), creation(&twice)];
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    assert!(proxy.has_cut());
    assert!(
        matches!(outcomes[0], Outcome::Stored(_)) && matches!(outcomes[1], Outcome::Stored(_)),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[2], Outcome::DuplicateActiveRun { run_id: one.run_id });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_never_reached_the_server_is_made_again() {
    cut_at_commit(Cut::Request).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_not_made_twice() {
    cut_at_commit(Cut::Answer).await;
}

async fn money_is_moved_once(cut: Cut) {
    let database = Database::fresh().await;
    database.run("create table accounts (id int primary key, cents int not null); insert into accounts values (1, 0)").await;
    let (proxy, store) = through_proxy(&database).await;
    let run = start(&store, "order-1").await;
    let change = || {
        let mut change = update(&run, &stepped(&run, 2));
        change.effects.push(Effect::Attached(attach(|connection| {
            Box::pin(async move {
                let text = "update accounts set cents = cents + 5 where id = 1";
                sqlx::query(text).execute(connection).await.map(drop)
            })
        })));
        change
    };
    proxy.arm(cut);
    let mut outcome = commit_one(&store, change()).await;
    assert!(proxy.has_cut());
    if outcome == Outcome::Busy {
        outcome = commit_one(&store, change()).await;
    }
    assert!(matches!(&outcome, Outcome::Stored(Some(run)) if run.version == version(2)), "{outcome:?}");
    let mut beside = database.beside().await;
    let cents: i32 = sqlx::query_scalar("select cents from accounts").fetch_one(&mut beside).await.unwrap();
    assert_eq!(cents, 5);
    assert_eq!(inconsistencies(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attached_work_whose_commit_never_came_is_done_once() {
    money_is_moved_once(Cut::Request).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attached_work_whose_answer_was_lost_is_done_once() {
    money_is_moved_once(Cut::Answer).await;
}
