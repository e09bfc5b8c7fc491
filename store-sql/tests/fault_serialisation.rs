//! Transactions that the server takes back for others' sake: begun again, so often and no more.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod schemas;

use mysql_support::Database;
use schemas::Schema;
use sqlx::AssertSqlSafe;
use workflow_conformance::samples::{found, start, stepped, store_over, update, version};
use workflow_core::adapter::{ErrorKind, Store};

/// Refuses each update of a run as often as the table of patience says, counting beyond what the transaction takes back.
const POSTGRES: &str = "create sequence attempts; create function refuse() returns trigger language plpgsql as $$ begin if \
    nextval('attempts') <= (select attempts from patience) then raise exception 'in the way' using errcode = \
    'serialization_failure'; end if; return new; end $$; create table patience (attempts bigint not null); insert into \
    patience values (0); create trigger refuse before update on workflow_records for each row execute function refuse()";

/// The table of attempts is of an engine that takes nothing back.
const MARIADB: &str = "create table attempts (number bigint not null) engine=Aria transactional=0; insert into attempts \
    values (0); create table patience (attempts bigint not null) engine=InnoDB; insert into patience values (0); create \
    trigger refuse before update on workflow_records for each row begin update attempts set number = number + 1; if (select \
    number from attempts) <= (select attempts from patience) then signal sqlstate '40001' set mysql_errno = 1213, \
    message_text = 'in the way'; end if; end";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_asked_again_and_not_for_ever() {
    let schema = Schema::fresh().await;
    let store = schema.store().await;
    let run = start(&*store, "order-1").await;
    let mut session = schema.session().await;
    sqlx::raw_sql(POSTGRES).execute(&mut session).await.unwrap();
    sqlx::raw_sql("update patience set attempts = 3").execute(&mut session).await.unwrap();
    let run = store_over(&*store, &run, &stepped(&run, 2)).await;
    let attempts: i64 =
        sqlx::query_scalar("select last_value from attempts").fetch_one(&mut session).await.unwrap();
    assert_eq!(attempts, 4);
    sqlx::raw_sql("update patience set attempts = 1000000").execute(&mut session).await.unwrap();
    let refused = store.commit(vec![update(&run, &stepped(&run, 3))], Vec::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient, "{refused}");
    let after: i64 =
        sqlx::query_scalar("select last_value from attempts").fetch_one(&mut session).await.unwrap();
    assert!((attempts + 2..attempts + 20).contains(&after), "{after}");
    assert_eq!(found(&*store, run.run_id).await.unwrap().version, version(2));
    sqlx::raw_sql("update patience set attempts = 0").execute(&mut session).await.unwrap();
    store_over(&*store, &run, &stepped(&run, 3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_asked_again_and_not_for_ever() {
    let database = Database::fresh().await;
    let store = database.open().await.store().clone();
    let run = start(&store, "order-1").await;
    database.run(MARIADB).await;
    let patience = async |attempts: i64| {
        database.run(&format!("update patience set attempts = {attempts}")).await;
    };
    let attempts = async || -> i64 {
        let text = AssertSqlSafe("select number from attempts");
        sqlx::query_scalar(text).fetch_one(&mut database.beside().await).await.unwrap()
    };
    patience(3).await;
    let run = store_over(&store, &run, &stepped(&run, 2)).await;
    let made = attempts().await;
    assert_eq!(made, 4);
    patience(1_000_000).await;
    let refused = store.commit(vec![update(&run, &stepped(&run, 3))], Vec::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient, "{refused}");
    assert!((made + 2..made + 20).contains(&attempts().await));
    assert_eq!(found(&store, run.run_id).await.unwrap().version, version(2));
    patience(0).await;
    store_over(&store, &run, &stepped(&run, 3)).await;
}
