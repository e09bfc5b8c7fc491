//! How tables on PostgreSQL are taken over, altered, refused and mended.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;

use schemas::Schema;
use sqlx::Connection;
use store_sql::{Done, IndexSet, MigrateError, Migration, Postgres, PostgresOptions, TableNames};
use tokio::task::JoinSet;
use uuid::Uuid;
use workflow_conformance::samples::{creation, key, new_run, orders, start, version};
use workflow_core::adapter::{ErrorKind, HistoryQuery, Outcome, Store};
use workflow_core::{Actor, RunId, RunState, Topic};

const GUIDE: &str = include_str!("guide/postgres.sql");

/// A row as the Go library writes it; newer by the seconds that it is given.
fn row(run_id: RunId, foreign_id: &str, run_state: i32, number: u32) -> String {
    format!(
        "insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, \
         meta) values ('orders', '{foreign_id}', '{run_id}', {run_state}, 1, '{{}}', '2026-01-01'::timestamp + {number} * \
         interval '1 second', now(), '{{\"RunStateReason\":\"\",\"StatusDescription\":\"Placed\",\"Version\":{number},\
         \"TraceOrigin\":\"main.go:1\"}}');"
    )
}

async fn adoptable(rows: &[String]) -> Schema {
    let schema = Schema::fresh().await;
    schema.run(&format!("{GUIDE};{}", rows.concat())).await;
    schema
}

async fn migrate(schema: &Schema, options: PostgresOptions) -> Result<Migration, MigrateError> {
    options.migrate_to(&schema.dsn()).await
}

async fn indexes(schema: &Schema) -> Vec<String> {
    let text = "select indexname::text from pg_indexes where schemaname = current_schema() and tablename = \
                'workflow_records' order by 1";
    sqlx::query_scalar(text).fetch_all(&mut schema.session().await).await.unwrap()
}

const LEAN: [&str; 5] = [
    "workflow_records_by_age",
    "workflow_records_by_foreign_id",
    "workflow_records_live",
    "workflow_records_pkey",
    "workflow_records_start_key",
];

const OF_THE_GUIDE: [&str; 3] = ["idx_created_at", "idx_run_state", "idx_workflow_name_foreign_id_status"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_guide_are_taken_over_and_told() {
    let run_id = RunId::generate();
    let schema = adoptable(&[row(run_id, "order-1", 2, 7)]).await;
    let planned = Postgres::options().plan_migration(&schema.url()).await.unwrap();
    assert!(planned.adopted && planned.done.len() > 10, "{planned}");
    assert_eq!(indexes(&schema).await.len(), 4, "a plan has altered the table");
    let migration = migrate(&schema, Postgres::options()).await.unwrap();
    assert_eq!(migration, planned);
    assert_eq!((migration.from, migration.to, migration.adopted), (None, 3, true));
    let added = Done::ColumnsAdded {
        table: "workflow_records".to_owned(),
        columns: ["version", "last_event_id", "paused_by", "start_key", "live"].map(str::to_owned).into(),
    };
    assert!(migration.done.contains(&added), "{migration}");
    assert!(
        migration.done.contains(&Done::TableMade { table: "workflow_history".to_owned() }),
        "{migration}"
    );
    assert_eq!(indexes(&schema).await, [&OF_THE_GUIDE[..], &LEAN[..]].concat());
    let again = migrate(&schema, Postgres::options()).await.unwrap();
    assert_eq!((again.from, again.adopted, again.done.len()), (Some(3), true, 0), "{again}");
    let store = schema.store().await;
    let found = store.latest(&orders(), &key("order-1")).await.unwrap().unwrap();
    assert_eq!((found.run_id, found.version), (run_id, version(7)));
    // Who asks for the lean set does not lose the indexes of tables that were made elsewhere.
    migrate(&schema, Postgres::options().indexes(IndexSet::Lean)).await.unwrap();
    assert_eq!(indexes(&schema).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_take_tables_over_at_once() {
    let rows: Vec<String> =
        (0..200).map(|number| row(RunId::generate(), &format!("order-{number}"), 2, 1)).collect();
    let schema = adoptable(&rows).await;
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        let dsn = schema.dsn();
        processes.spawn(async move { Postgres::options().migrate_to(&dsn).await });
    }
    let migrations = processes.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let busy = migrations.iter().filter(|migration| !migration.done.is_empty()).count();
    assert_eq!(busy, 1, "{migrations:?}");
    assert_eq!(indexes(&schema).await, [&OF_THE_GUIDE[..], &LEAN[..]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_are_listed_and_refused_until_they_are_cancelled() {
    let [old, new, newest, other] = [0; 4].map(|_| RunId::generate());
    let rows = [
        row(old, "order-1", 1, 2),
        row(new, "order-1", 3, 5),
        row(newest, "order-1", 2, 9),
        row(other, "order-2", 2, 1),
    ];
    let schema = adoptable(&[&rows[..], &[row(RunId::generate(), "order-1", 5, 20)]].concat()).await;
    for refused in [migrate(&schema, Postgres::options()).await, migrate(&schema, Postgres::options()).await]
    {
        let MigrateError::Duplicates { duplicates, .. } = &refused.unwrap_err() else {
            panic!("another error")
        };
        assert_eq!(duplicates.len(), 1);
        assert_eq!(duplicates[0].runs, [newest, new, old].map(|run_id| run_id.to_string()));
    }
    let connecting = Postgres::options().connect_to(&schema.dsn()).await.map(drop).unwrap_err();
    assert!(connecting.to_string().contains(&format!("{newest} and {new} and {old}")), "{connecting}");
    assert!(!connecting.to_string().contains("order-1"), "a message has the user's data: {connecting}");
    let migration = migrate(&schema, Postgres::options().cancel_duplicates()).await.unwrap();
    for run_id in [new, old] {
        assert!(migration.done.contains(&Done::RunCancelled { run_id: run_id.to_string() }), "{migration}");
    }
    let store = schema.store().await;
    let live = store.latest(&orders(), &key("order-1")).await.unwrap().unwrap();
    assert_eq!((live.run_id, live.version, live.run_state), (newest, version(9), RunState::Running));
    for (run_id, before) in [(old, 2), (new, 5)] {
        let run = store.lookup(&[run_id]).await.unwrap().remove(0).unwrap().unwrap();
        assert_eq!((run.run_state, run.version), (RunState::Cancelled, version(before + 1)));
        let entry = store.history(&HistoryQuery { run_id, after: None, limit: 9 }).await.unwrap().remove(0);
        assert_eq!((entry.actor, entry.run_state), (Actor::Operator, RunState::Cancelled));
        let events = store.outbox(None, 10).await.unwrap().rows;
        let event =
            events.iter().filter_map(|row| row.event.as_ref().ok()).find(|(_, event)| event.run_id == run_id);
        let (id, event) = event.unwrap();
        assert_eq!(run.last_event_id, Some(*id));
        assert_eq!(event.topic, Topic::of_record(&orders(), RunState::Cancelled, run.status));
    }
    let taken = store.commit(vec![creation(&new_run("order-1"))], Vec::new()).await.unwrap();
    assert_eq!(taken, [Outcome::DuplicateActiveRun { run_id: newest }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_whose_making_was_interrupted_is_made_again() {
    let [one, two] = [0; 2].map(|_| RunId::generate());
    let schema = adoptable(&[row(one, "order-1", 2, 1), row(two, "order-1", 2, 2)]).await;
    assert!(matches!(migrate(&schema, Postgres::options()).await, Err(MigrateError::Duplicates { .. })));
    // It fails beside the running work, and leaves an index that is not whole.
    let text = "create unique index concurrently workflow_records_live on workflow_records (workflow_name, foreign_id) where live";
    sqlx::raw_sql(text).execute(&mut schema.session().await).await.unwrap_err();
    assert!(indexes(&schema).await.contains(&"workflow_records_live".to_owned()));
    schema.run(&format!("update workflow_records set run_state = 4 where run_id = '{one}'")).await;
    let migration = migrate(&schema, Postgres::options()).await.unwrap();
    let remade =
        Done::IndexRemade { table: "workflow_records".to_owned(), index: "workflow_records_live".to_owned() };
    assert!(migration.done.contains(&remade), "{migration}");
    let taken = schema.store().await.commit(vec![creation(&new_run("order-1"))], Vec::new()).await.unwrap();
    assert_eq!(taken, [Outcome::DuplicateActiveRun { run_id: two }]);
    let invalid: i64 = sqlx::query_scalar(
        "select count(*) from pg_index where not indisvalid and indrelid = 'workflow_records'::regclass",
    )
    .fetch_one(&mut schema.session().await)
    .await
    .unwrap();
    assert_eq!(invalid, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_indexes_come_and_go_on_tables_in_use() {
    let schema = Schema::fresh().await;
    let store = schema.store().await;
    start(&*store, "order-1").await;
    migrate(&schema, Postgres::options().indexes(IndexSet::Guide)).await.unwrap();
    assert_eq!(indexes(&schema).await, [&OF_THE_GUIDE[..], &LEAN[..]].concat());
    let nothing = migrate(&schema, Postgres::options()).await.unwrap();
    assert!(nothing.done.is_empty(), "{nothing}");
    let migration = migrate(&schema, Postgres::options().indexes(IndexSet::Lean)).await.unwrap();
    let dropped = migration.done.iter().filter(|done| matches!(done, Done::IndexDropped { .. })).count();
    assert_eq!(dropped, 4, "{migration}");
    assert_eq!(indexes(&schema).await, LEAN);
    start(&*store, "order-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_version_1_are_altered_and_their_runs_go_on() {
    let schema = Schema::fresh().await;
    schema.run(include_str!("version_1/postgres.sql")).await;
    schema
        .run("create table workflow_schema (version integer not null, oldest_program integer not null); insert into workflow_schema values (1, 1)")
        .await;
    let refused =
        Postgres::options().without_migrating().connect_to(&schema.dsn()).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent);
    assert!(
        refused.to_string().contains("tables of version 1, and this program needs version 3"),
        "{refused}"
    );
    let migration = migrate(&schema, Postgres::options()).await.unwrap();
    assert_eq!((migration.from, migration.to, migration.adopted), (Some(1), 3, false));
    assert_eq!(migration.done.len(), 4, "{migration}");
    start(&*schema.store().await, "order-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_version_2_get_the_index_of_rows_that_name_no_run() {
    let schema = Schema::fresh().await;
    migrate(&schema, Postgres::options()).await.unwrap();
    schema.run("drop index workflow_outbox_unrouted; update workflow_schema set version = 2").await;
    let migration = migrate(&schema, Postgres::options()).await.unwrap();
    assert_eq!((migration.from, migration.to, migration.adopted), (Some(2), 3, false));
    let table = "workflow_outbox".to_owned();
    let made = Done::IndexMade { table, index: "workflow_outbox_unrouted".to_owned() };
    assert_eq!(migration.done, [made, Done::VersionNoted { version: 3 }]);
    let again = migrate(&schema, Postgres::options()).await.unwrap();
    assert!(again.done.is_empty(), "{again}");
    start(&*schema.store().await, "order-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_make_tables_is_told_so() {
    let schema = Schema::fresh().await;
    let user = format!("user_{}", Uuid::new_v4().simple());
    schema
        .run(&format!(
            "create role {user} login password 'secret'; grant usage on schema {} to {user}",
            schema.name()
        ))
        .await;
    let mut dsn = schema.dsn();
    dsn.user.clone_from(&user);
    dsn.password = Some(store_sql::config::Secret::new("secret"));
    let refused = Postgres::options().connect_to(&dsn).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent);
    assert!(refused.to_string().contains("may not migrate"), "{refused}");
    migrate(&schema, Postgres::options()).await.unwrap();
    // Where the tables are there, the right to use them is enough.
    let grant =
        format!("grant select, insert, update, delete on all tables in schema {} to {user}", schema.name());
    schema.run(&grant).await;
    let backend = Postgres::options().connect_to(&dsn).await.unwrap();
    start(backend.store(), "order-1").await;
    backend.store().close().await;
    schema.run(&format!("drop owned by {user}; drop role {user}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_tables_are_left_alone_or_refused_by_name() {
    let schema = Schema::fresh().await;
    migrate(&schema, Postgres::options()).await.unwrap();
    schema.run("update workflow_schema set version = 99; drop index workflow_records_by_age").await;
    let tolerated = migrate(&schema, Postgres::options()).await.unwrap();
    assert_eq!((tolerated.from, tolerated.to, tolerated.done.len()), (Some(99), 99, 0));
    start(schema.backend().await.store(), "order-1").await;
    schema.run("update workflow_schema set oldest_program = 98").await;
    let refused = migrate(&schema, Postgres::options()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::TooNew { found: 99, oldest_program: 98, .. }), "{refused}");
    assert!(refused.to_string().contains("use a newer program"), "{refused}");
    let connecting = Postgres::options().connect_to(&schema.dsn()).await.map(drop).unwrap_err();
    assert_eq!(connecting.to_string(), refused.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_in_the_way_are_named() {
    let schema = adoptable(&[]).await;
    schema.run("create table workflow_timeouts (id bigint, run_id text)").await;
    let refused = migrate(&schema, Postgres::options()).await.unwrap_err();
    assert!(
        matches!(&refused, MigrateError::OtherTable { table, .. } if table == "workflow_timeouts"),
        "{refused}"
    );
    assert!(refused.to_string().contains("choose other names"), "{refused}");
    schema.run("drop table workflow_timeouts; alter table workflow_records drop column meta").await;
    let refused = migrate(&schema, Postgres::options()).await.unwrap_err();
    assert!(refused.to_string().contains("no column meta"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_do_not_share_a_prefix() {
    let schema = Schema::fresh().await;
    let names = |records, outbox| TableNames::new(records, outbox).unwrap();
    migrate(&schema, Postgres::options().tables(names("one_runs", "one_events"))).await.unwrap();
    let refused =
        migrate(&schema, Postgres::options().tables(names("two_runs", "two_events"))).await.unwrap_err();
    assert!(matches!(refused, MigrateError::OtherStore { .. }), "{refused}");
    assert!(refused.to_string().contains("one_runs and one_events"), "{refused}");
    let connecting = Postgres::options().connect_to(&schema.dsn()).await.map(drop).unwrap_err();
    assert!(connecting.to_string().contains("choose another prefix"), "{connecting}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_are_made_while_others_write() {
    let rows: Vec<String> =
        (0..50).map(|number| row(RunId::generate(), &format!("order-{number}"), 2, 1)).collect();
    let schema = adoptable(&rows).await;
    migrate(&schema, Postgres::options()).await.unwrap();
    schema.run("drop index workflow_records_by_age").await;
    // A transaction that has written the table, and is open while the index is begun.
    let mut writer = schema.session().await;
    sqlx::raw_sql("begin; update workflow_records set status = 2 where foreign_id = 'order-1'")
        .execute(&mut writer)
        .await
        .unwrap();
    let dsn = schema.dsn();
    let migration = tokio::spawn(async move { Postgres::options().migrate_to(&dsn).await });
    schema
        .until(
            "the index is begun",
            "select exists (select 1 from pg_class where relname = 'workflow_records_by_age' and relnamespace = \
             $1::text::regnamespace)",
        )
        .await;
    // Others go on writing meanwhile.
    schema.run("update workflow_records set status = 2 where foreign_id = 'order-2'").await;
    sqlx::raw_sql("commit").execute(&mut writer).await.unwrap();
    writer.close().await.unwrap();
    let migration = migration.await.unwrap().unwrap();
    assert!(
        matches!(&migration.done[..], [Done::IndexMade { .. }, Done::VersionNoted { .. }]),
        "{migration}"
    );
}
