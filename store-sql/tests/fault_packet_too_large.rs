//! Values that are larger than a server takes.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;
mod servers;

use schemas::Schema;
use servers::{Kind, Spec};
use sqlx::{Connection, MySqlConnection};
use store_sql::{MySql, Postgres, postgres};
use tokio::task::block_in_place;
use workflow_conformance::samples::{
    commit_one, creation, found, new_run, start, stepped, store_over, update, version,
};
use workflow_core::adapter::{Change, Effect, ErrorKind, Outcome, Store};

fn large(foreign_id: &str, bytes: usize) -> Change {
    let mut record = new_run(foreign_id);
    record.object = format!("\"{}\"", "x".repeat(bytes)).into();
    creation(&record)
}

/// The limit of a session is the one that the server had when it began: here it is lowered behind the store's back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_told_to_take_larger_packets() {
    let server = block_in_place(|| Spec::new(Kind::MariaDb).start());
    let store = MySql::connect(&server.url()).await.unwrap().store().clone();
    let run = start(&store, "order-1").await;
    let mut session = MySqlConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql("set global max_allowed_packet = 65536").execute(&mut session).await.unwrap();
    let text = "select cast(id as signed) from information_schema.processlist where db = 'workflow' and id <> connection_id()";
    let ids: Vec<i64> = sqlx::query_scalar(text).fetch_all(&mut session).await.unwrap();
    for id in ids {
        let kill = sqlx::AssertSqlSafe(format!("kill connection {id}"));
        sqlx::raw_sql(kill).execute(&mut session).await.unwrap();
    }
    while store.lookup(&[run.run_id]).await.is_err() {}
    let refused = store.commit(vec![large("order-2", 300_000)], Vec::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent, "{refused}: {refused:?}");
    assert!(refused.to_string().contains("max_allowed_packet"), "{refused}");
    // Others go on.
    store_over(&store, &run, &stepped(&run, 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_refuses_a_value_that_no_column_takes() {
    let schema = Schema::fresh().await;
    let store = schema.store().await;
    let run = start(&*store, "order-1").await;
    let mut change = update(&run, &stepped(&run, 2));
    change.effects.push(Effect::Attached(postgres::attach(|connection| {
        Box::pin(async move {
            let text = "select repeat('x', 1073741823 )::bytea || 'x'::bytea";
            sqlx::query(text).execute(connection).await.map(drop)
        })
    })));
    let outcome = commit_one(&*store, change).await;
    assert!(matches!(outcome, Outcome::AttachedFailed(_)), "{outcome:?}");
    assert_eq!(found(&*store, run.run_id).await.unwrap().version, version(1));
    store_over(&*store, &run, &stepped(&run, 2)).await;
}

/// Many objects of the largest size travel in as many transactions as they need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_objects_are_stored_on_postgres_side_by_side() {
    let schema = Schema::fresh().await;
    let store = Postgres::options().connect_to(&schema.dsn()).await.unwrap().store().clone();
    let bytes = store.limits().object_bytes_max - 2;
    let mut changes: Vec<Change> = (0..10).map(|number| large(&format!("order-{number}"), bytes)).collect();
    changes.push(creation(&new_run("small")));
    let runs: Vec<_> = changes.iter().map(|change| change.run_id).collect();
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
    assert_eq!(found(&store, runs[9]).await.unwrap().object.len(), bytes + 2);
    assert!(found(&store, runs[10]).await.is_some());
}
