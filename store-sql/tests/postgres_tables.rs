//! Tables: made once, adopted, checked, and the same as on the page that describes them.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};
use store_sql::Postgres;
use store_sql::config::{PostgresDsn, Secret};
use tokio::task::JoinSet;
use workflow_conformance::samples::{creation, key, new_run, orders, start, stepped, store_over, version};
use workflow_core::adapter::{BackendError, ErrorKind, Outcome, Store};

use schemas::Schema;

const PAGE: &str = include_str!("../../docs/tables.md");

/// What the Go library's database guide says to create.
const GUIDE: &str = "create table workflow_records (workflow_name varchar(255) not null, foreign_id varchar(255) not null, \
    run_id varchar(255) not null, run_state integer not null, status integer not null, object bytea not null, created_at \
    timestamp(3) not null, updated_at timestamp(3) not null, meta bytea, primary key (run_id)); create table \
    workflow_outbox (id varchar(255) not null, workflow_name varchar(255) not null, data bytea, created_at timestamp(3) not \
    null, primary key (id))";

async fn run_sql(session: &mut PgConnection, text: String) {
    sqlx::raw_sql(AssertSqlSafe(text)).execute(session).await.unwrap();
}

async fn connect(schema: &Schema) -> Result<Postgres, BackendError> {
    Postgres::options().connect_to(&schema.dsn()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_make_the_tables_once() {
    let schema = Schema::fresh().await;
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        let dsn = schema.dsn();
        processes.spawn(async move { Postgres::options().connect_to(&dsn).await.map(drop) });
    }
    for connected in processes.join_all().await {
        connected.unwrap();
    }
    let rows: i64 = sqlx::query_scalar("select count(*) from workflow_schema")
        .fetch_one(&mut schema.session().await)
        .await
        .unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_guide_are_adopted_with_their_rows() {
    let schema = Schema::fresh().await;
    let mut session = schema.session().await;
    run_sql(&mut session, GUIDE.to_owned()).await;
    let (one, two) = (new_run("order-1").run_id, new_run("order-2").run_id);
    let row = |run_id, foreign_id: &str, meta: &str| {
        format!(
            "insert into workflow_records values ('orders', '{foreign_id}', '{run_id}', 2, 1, '{{}}', now(), now(), {meta})"
        )
    };
    let meta =
        r#"'{"RunStateReason":"","StatusDescription":"Placed","Version":7,"TraceOrigin":"main.go:1"}'"#;
    run_sql(&mut session, row(one, "order-1", meta)).await;
    run_sql(&mut session, row(two, "order-2", "null")).await;
    let store = connect(&schema).await.unwrap().store().clone();
    let records = store.lookup(&[one, two]).await.unwrap();
    let [first, second] = [0, 1].map(|at| records[at].clone().unwrap().unwrap());
    assert_eq!((first.version, &*first.trace_origin), (version(7), "main.go:1"));
    assert_eq!(second.version, version(1));
    let next = store_over(&store, &first, &stepped(&first, 2)).await;
    assert_eq!(next.version, version(8));
    let taken = store.commit(vec![creation(&new_run("order-2"))], Vec::new()).await.unwrap();
    assert_eq!(taken, [Outcome::DuplicateActiveRun { run_id: two }]);
    // An insert that names none of the additions still works.
    run_sql(&mut session, row(new_run("order-3").run_id, "order-3", "null")).await;
    assert!(store.latest(&orders(), &key("order-3")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_tables_are_used_if_they_tolerate_it() {
    let schema = Schema::fresh().await;
    drop(connect(&schema).await.unwrap());
    let mut session = schema.session().await;
    run_sql(&mut session, "update workflow_schema set version = 99, oldest_program = 1".to_owned()).await;
    start(connect(&schema).await.unwrap().store(), "order-1").await;
    run_sql(&mut session, "update workflow_schema set oldest_program = 99".to_owned()).await;
    let refused = connect(&schema).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent);
    assert!(refused.to_string().contains("use a newer program"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_tables_are_told() {
    let schema = Schema::fresh().await;
    let existing = Postgres::options().without_migrating().connect_to(&schema.dsn()).await.unwrap_err();
    assert_eq!(existing.kind(), ErrorKind::Permanent);
    assert!(existing.to_string().contains("no tables"), "{existing}");
    let store = schema.store().await;
    run_sql(&mut schema.session().await, "drop table workflow_history".to_owned()).await;
    let missing = store.commit(vec![creation(&new_run("order-1"))], Vec::new()).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Permanent);
    assert!(missing.to_string().contains("a table is missing"), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_a_program_from_connecting_is_told_without_the_password() {
    let schema = Schema::fresh().await;
    let password = Some(Secret::new("wrong-secret"));
    let cases = [
        (PostgresDsn { password, ..schema.dsn() }, "check user and password", ErrorKind::Permanent),
        (
            PostgresDsn { database: "nowhere".to_owned(), ..schema.dsn() },
            "there is no such database",
            ErrorKind::Permanent,
        ),
        (PostgresDsn { port: 1, ..schema.dsn() }, "cannot be made", ErrorKind::Transient),
    ];
    for (dsn, said, kind) in cases {
        let error = Postgres::options().connect_to(&dsn).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(!format!("{error:?}").contains("wrong-secret"), "{error:?}");
    }
}

/// The cells of a row of a list, without their code marks.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(inner.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
}

/// Each column of the page's lists: table, column, declaration.
fn columns_on_the_page() -> BTreeSet<(String, String, String)> {
    let (mut table, mut columns) = (String::new(), BTreeSet::new());
    for line in PAGE.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            table = name.trim_matches('`').to_owned();
        }
        match cells(line).as_deref() {
            Some([name, _, _, declared, _, _])
                if !["column", "---"].contains(&name.as_str()) && declared != "no" =>
            {
                columns.insert((table.clone(), name.clone(), declared.clone()));
            }
            _ => {}
        }
    }
    columns
}

/// Each column of the schema, declared as on the page.
const COLUMNS: &str = "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) || case when \
    a.attcollation <> 0 and o.collname = 'C' then ' collate \"C\"' else '' end || case a.attgenerated when 's' then ' \
    generated always as ' || pg_get_expr(d.adbin, d.adrelid) || ' stored' else coalesce(case when a.attnotnull then ' not \
    null' end, '') || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') end from pg_class c join pg_attribute a \
    on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped left join pg_attrdef d on d.adrelid = c.oid and d.adnum = \
    a.attnum left join pg_collation o on o.oid = a.attcollation where c.relnamespace = $1::text::regnamespace and c.relkind = 'r'";

/// The page's words for a column that the server describes.
fn as_on_the_page(declared: &str) -> String {
    declared
        .replace("character varying", "varchar")
        .replace("timestamp(3) without time zone", "timestamp(3)")
        .replace("(run_state = ANY (ARRAY[1, 2, 3]))", "(run_state in (1, 2, 3))")
        .replace("(ARRAY[1, 2, 3])", "(1, 2, 3)")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_a_fresh_schema_have_the_same_columns() {
    let schema = Schema::fresh().await;
    drop(connect(&schema).await.unwrap());
    let rows: Vec<(String, String, String)> =
        sqlx::query_as(COLUMNS).bind(schema.name()).fetch_all(&mut schema.session().await).await.unwrap();
    let made: BTreeSet<_> =
        rows.into_iter().map(|(table, name, declared)| (table, name, as_on_the_page(&declared))).collect();
    let page = columns_on_the_page();
    let missing: Vec<_> = made.symmetric_difference(&page).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Names and columns of the page's indexes that are of the default set on PostgreSQL.
fn indexes_on_the_page() -> BTreeSet<(String, String)> {
    let rows = PAGE.lines().filter_map(cells).filter_map(|cells| match &cells[..] {
        [name, on, _, _, made] if name.starts_with("workflow_") && made != "no" && made != "guide's set" => {
            let on = made.strip_prefix("on `").map_or(on.as_str(), |rest| rest.split('`').next().unwrap());
            Some((name.clone(), on.to_owned()))
        }
        _ => None,
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_a_fresh_schema_have_the_same_indexes() {
    let schema = Schema::fresh().await;
    drop(connect(&schema).await.unwrap());
    let text = "select i.indexrelid::regclass::text, string_agg(a.attname, ', ' order by a.attnum) from pg_index i join \
                pg_attribute a on a.attrelid = i.indexrelid join pg_class c on c.oid = i.indrelid where c.relnamespace = \
                $1::text::regnamespace and not i.indisprimary group by 1";
    let made: Vec<(String, String)> =
        sqlx::query_as(text).bind(schema.name()).fetch_all(&mut schema.session().await).await.unwrap();
    assert_eq!(made.into_iter().collect::<BTreeSet<_>>(), indexes_on_the_page());
}
