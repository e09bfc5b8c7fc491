//! The doctor on PostgreSQL: a schema of its own, healthy and with each fault that a schema can have.
#![cfg(feature = "postgres")]
#![allow(missing_docs, clippy::unwrap_used)]

mod doctor_support;
mod schemas;

use doctor_support::{finds, ids, is_healthy, options, report, report_with};
use schemas::Schema;
use sqlx::AssertSqlSafe;
use store_sql::doctor::{FindingId, Verdict};
use store_sql::{Postgres, Table, TableNames};

/// What the Go library's database guide says to create.
const GUIDE: &str = "create table workflow_records (workflow_name varchar(255) not null, foreign_id varchar(255) not null, \
    run_id varchar(255) not null, run_state integer not null, status integer not null, object bytea not null, created_at \
    timestamp(3) not null, updated_at timestamp(3) not null, meta bytea, primary key (run_id)); create index \
    idx_workflow_name_foreign_id_status on workflow_records(workflow_name, foreign_id, status); create index idx_run_state on \
    workflow_records(run_state); create index idx_created_at on workflow_records(created_at); create table workflow_outbox (id \
    varchar(255) not null, workflow_name varchar(255) not null, data bytea, created_at timestamp(3) not null, primary key \
    (id)); create index idx_outbox_workflow_name on workflow_outbox(workflow_name)";

async fn with_tables() -> Schema {
    let schema = Schema::fresh().await;
    drop(schema.backend().await);
    schema
}

/// The schema as a connection string.
fn url(schema: &Schema) -> String {
    let url = schemas::url();
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-c%20search_path%3D{}", schema.name())
}

async fn run(schema: &Schema, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut schema.session().await).await.unwrap();
}

fn record(id: &str, state: i32, paused_by: &str) -> String {
    format!(
        "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, \
         paused_by) values ('{id}', 'orders', '{id}', {state}, 1, '{{}}', '2020-01-01', '2020-01-01', {paused_by})"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_tables_are_healthy() {
    let schema = with_tables().await;
    is_healthy(&report(&url(&schema)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_the_tables_has_its_finding() {
    let cases: [(&str, &[FindingId]); 14] = [
        ("drop index workflow_records_live", &[FindingId::IndexMissing]),
        ("drop index workflow_records_by_age", &[FindingId::IndexMissing]),
        (
            "drop index workflow_timeouts_due; create index workflow_timeouts_due on workflow_timeouts (workflow_name, \
             expire_at) where state = 1",
            &[FindingId::IndexDiffers, FindingId::IndexNotUsed],
        ),
        (
            "alter table workflow_roles drop constraint workflow_roles_pkey",
            &[FindingId::IndexMissing, FindingId::IndexNotUsed],
        ),
        ("create index idx_run_state on workflow_records (run_state)", &[FindingId::IndexOfTheGuide]),
        ("create index mine on workflow_outbox (created_at)", &[FindingId::IndexUnknown]),
        ("drop table workflow_slots", &[FindingId::TableMissing]),
        ("alter table workflow_inbox drop column noted", &[FindingId::ColumnMissing]),
        ("update workflow_schema set version = 99", &[FindingId::SchemaNewer]),
        ("update workflow_schema set version = 99, oldest_program = 99", &[FindingId::SchemaTooNew]),
        ("update workflow_schema set version = 0", &[FindingId::SchemaOld]),
        (
            "create collation en (provider = icu, locale = 'en'); alter table workflow_slots alter column spec type varchar(255) \
             collate en",
            &[FindingId::CollationNotBytewise],
        ),
        (
            "create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false); alter table \
             workflow_slots alter column spec type varchar(255) collate loose",
            &[FindingId::CollationMergesKeys],
        ),
        ("alter table workflow_outbox set (autovacuum_enabled = false)", &[FindingId::AutovacuumOff]),
    ];
    for (fault, expected) in cases {
        let schema = with_tables().await;
        run(&schema, fault).await;
        finds(&report(&url(&schema)).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_whose_making_failed_is_found_and_mended() {
    let schema = with_tables().await;
    run(&schema, "drop index workflow_records_live").await;
    for id in ["a", "b"] {
        run(&schema, &record(id, 2, "null").replace(&format!("'orders', '{id}'"), "'orders', 'same'")).await;
    }
    let make = "create unique index concurrently workflow_records_live on workflow_records (workflow_name, foreign_id) where live";
    let failed = sqlx::raw_sql(make).execute(&mut schema.session().await).await;
    assert!(failed.is_err(), "two runs have one key");
    let found = report(&url(&schema)).await;
    finds(&found, &[FindingId::IndexInvalid, FindingId::LiveRunsDuplicate, FindingId::RunsQuiet]);
    run(&schema, "delete from workflow_records").await;
    let fix = found.of(FindingId::IndexInvalid).next().unwrap().fix.clone();
    for statement in fix.lines() {
        run(&schema, statement.trim_end_matches(';')).await;
    }
    is_healthy(&report(&url(&schema)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_or_rests_is_found() {
    let quiet = record("a", 2, "null");
    let paused = record("a", 3, "'engine'");
    let cases: [(&str, FindingId); 6] = [
        (
            "insert into workflow_outbox (id, workflow_name, data, created_at) values ('a', 'orders', '', '2020-01-01')",
            FindingId::OutboxOld,
        ),
        (
            "insert into workflow_dead_letters values ('a', 'orders', null, null, 'p', 'r', '', '2020-01-01')",
            FindingId::DeadLetters,
        ),
        (
            "insert into workflow_retries values ('a', 1, 'p', 'orders', 1, '2020-01-01', '', '')",
            FindingId::RetriesOverdue,
        ),
        (
            "insert into workflow_timeouts values ('a', 1, 't', 'orders', 'x', 1, 0, '2020-01-01', '2020-01-01')",
            FindingId::TimersOverdue,
        ),
        (&quiet, FindingId::RunsQuiet),
        (&paused, FindingId::RunsPaused),
    ];
    for (fault, expected) in cases {
        let schema = with_tables().await;
        run(&schema, fault).await;
        finds(&report(&url(&schema)).await, &[expected]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_guide_are_told_with_what_stands_in_the_way() {
    let schema = Schema::fresh().await;
    finds(&report(&url(&schema)).await, &[FindingId::SchemaMissing]);
    run(&schema, GUIDE).await;
    for id in ["a", "b"] {
        let text = format!(
            "insert into workflow_records values ('orders', 'same', '{id}', 2, 1, '{{}}', now(), now(), null)"
        );
        run(&schema, &text).await;
    }
    let found = report(&url(&schema)).await;
    finds(&found, &[FindingId::SchemaOfTheGuide, FindingId::LiveRunsDuplicate]);
    run(
        &schema,
        "delete from workflow_records where run_id = 'b'; update workflow_records set run_state = 5",
    )
    .await;
    drop(schema.backend().await);
    let adopted = report(&url(&schema)).await;
    let prefers = FindingId::IndexNotUsed;
    let noted = |id: &&str| [FindingId::IndexOfTheGuide.as_str(), prefers.as_str()].contains(id);
    assert!(adopted.ok && ids(&adopted).iter().all(noted), "{adopted}");
    assert_eq!(adopted.of(FindingId::IndexOfTheGuide).count(), 4, "{adopted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_is_told() {
    let url = schemas::url();
    let (_, rest) = url.split_once("://").unwrap();
    let (login, place) = rest.split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let (host, _) = place.split_once('/').unwrap();
    let of = |password: &str, place: &str| format!("postgres://{user}:{password}@{place}");
    let cases = [
        (of("wrong", place), FindingId::LoginRefused),
        (of(password, &format!("{host}/wf_none")), FindingId::DatabaseMissing),
        (of(password, "127.0.0.1:1/postgres"), FindingId::ServerUnreachable),
        (of(password, &format!("{host}/postgres?sslmode=require")), FindingId::TlsRefused),
    ];
    for (url, id) in cases {
        let found = report(&url).await;
        finds(&found, &[id]);
        assert_eq!((found.ok, found.verdict()), (false, Verdict::CouldNotCheck));
        assert!(!found.to_string().contains(password), "the password is not told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_probe_is_seen_by_nobody_and_leaves_nothing() {
    let schema = with_tables().await;
    // A sequence keeps its state whatever becomes of the transaction.
    run(
        &schema,
        "create sequence came; create function note() returns trigger language plpgsql as $$ begin perform nextval('came'); \
         return coalesce(new, old); end $$; create trigger note after insert or delete on workflow_outbox for each row execute \
         function note()",
    )
    .await;
    is_healthy(&report(&url(&schema)).await);
    let mut beside = schema.session().await;
    let seen: i64 = sqlx::query_scalar("select last_value from came").fetch_one(&mut beside).await.unwrap();
    assert_eq!(seen, 2, "one event came and went");
    for table in
        ["records", "outbox", "timeouts", "retries", "history", "dead_letters", "inbox", "slots", "roles"]
    {
        let text = AssertSqlSafe(format!("select count(*) from workflow_{table}"));
        let rows: i64 = sqlx::query_scalar(text).fetch_one(&mut beside).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    run(
        &schema,
        "create function bar() returns trigger language plpgsql as $$ begin raise exception 'barred'; end $$; create trigger \
         bar before update on workflow_records for each row execute function bar()",
    )
    .await;
    let found = report(&url(&schema)).await;
    finds(&found, &[FindingId::ProbeFailed]);
    assert!(found.findings[0].message.contains("could not be moved: barred"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_rows_and_size_are_looked_at() {
    let schema = with_tables().await;
    run(&schema, "alter table workflow_roles set (autovacuum_enabled = false)").await;
    run(&schema, "insert into workflow_roles select 'r' || n, 1 from generate_series(1, 1000) n").await;
    run(&schema, "delete from workflow_roles; analyze workflow_roles").await;
    let strict = options().dead_rows(500).table_bytes(10_000);
    let found = report_with(&url(&schema), strict).await;
    let expected = ["autovacuum-off", "rows-dead", "table-large"];
    assert_eq!(ids(&found).into_iter().collect::<Vec<_>>(), expected, "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_any_name_are_looked_at() {
    let (schema, beside) = (Schema::fresh().await, Schema::fresh().await);
    let own = TableNames::new("runs", "events").unwrap().with_prefix("shop_").unwrap();
    let elsewhere = TableNames::default().in_schema(beside.name()).unwrap();
    for names in [own, elsewhere] {
        drop(schema.backend_with(Postgres::options().tables(names.clone())).await);
        let with = || options().tables(names.clone());
        is_healthy(&report_with(&url(&schema), with()).await);
        let index = format!("{}records_by_age", names.prefix());
        let place = names.schema().map(|schema| format!("{schema}.")).unwrap_or_default();
        run(&schema, &format!("drop index {place}{index}")).await;
        let found = report_with(&url(&schema), with()).await;
        finds(&found, &[FindingId::IndexMissing]);
        let records = names.qualified(Table::Records);
        let fix = format!("create index concurrently {index} on {records} (workflow_name, created_at)");
        assert_eq!(found.findings[0].fix, fix);
        run(&schema, &fix).await;
        is_healthy(&report_with(&url(&schema), with()).await);
    }
    finds(&report(&url(&schema)).await, &[FindingId::SchemaMissing]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_mends_what_is_missing() {
    for fault in ["drop table workflow_slots", "alter table workflow_inbox drop column noted"] {
        let schema = with_tables().await;
        run(&schema, fault).await;
        let found = report(&url(&schema)).await;
        assert!(found.findings[0].fix.starts_with("run: workflowctl migrate"), "{found}");
        Postgres::migrate(&url(&schema)).await.unwrap();
        is_healthy(&report(&url(&schema)).await);
    }
}
