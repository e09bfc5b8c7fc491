//! How tables on MariaDB are taken over, altered, refused and mended.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;

use mysql_support::Database;
use store_sql::{Done, IndexSet, MigrateError, Migration, MySql, MySqlOptions, TableNames};
use tokio::task::JoinSet;
use uuid::Uuid;
use workflow_conformance::samples::{creation, key, new_run, orders, start, stepped, store_over, version};
use workflow_core::adapter::{ErrorKind, HistoryQuery, ListQuery, Outcome, Store};
use workflow_core::{Actor, RunId, RunState, Topic};

const GUIDE: &str = include_str!("guide/mariadb.sql");

/// A row as the Go library writes it; newer by the seconds that it is given.
fn row(run_id: RunId, foreign_id: &str, run_state: i32, number: u32) -> String {
    format!(
        "insert into workflow_records set workflow_name='orders', foreign_id='{foreign_id}', run_id='{run_id}', \
         run_state={run_state}, status=1, object='{{}}', created_at=date'2026-01-01' + interval {number} second, \
         updated_at=now(), meta='{{\"RunStateReason\":\"\",\"StatusDescription\":\"Placed\",\"Version\":{number},\
         \"TraceOrigin\":\"main.go:1\"}}';"
    )
}

async fn adoptable(rows: &[String]) -> Database {
    let database = Database::fresh().await;
    database.run(&format!("{GUIDE}{}", rows.concat())).await;
    database
}

async fn migrate(database: &Database, options: MySqlOptions) -> Result<Migration, MigrateError> {
    options.migrate(&database.url()).await
}

async fn indexes(database: &Database) -> Vec<String> {
    let text = "select distinct index_name as name from information_schema.statistics where table_schema = database() and \
                table_name = 'workflow_records' order by 1";
    sqlx::query_scalar(text).fetch_all(&mut database.beside().await).await.unwrap()
}

const OF_THE_GUIDE: [&str; 3] = ["by_created_at", "by_run_state", "by_workflow_name_foreign_id_status"];

const LEAN: [&str; 4] =
    ["PRIMARY", "workflow_records_by_age", "workflow_records_live", "workflow_records_start_key"];

fn all() -> Vec<&'static str> {
    let mut all = [&OF_THE_GUIDE[..], &LEAN[..]].concat();
    all.sort_by_key(|name| name.to_lowercase());
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_guide_are_taken_over_and_told() {
    let run_id = RunId::generate();
    let database = adoptable(&[row(run_id, "order-1", 2, 7)]).await;
    let planned = MySql::options().plan_migration(&database.url()).await.unwrap();
    assert!(planned.adopted && planned.done.len() > 10, "{planned}");
    assert_eq!(indexes(&database).await.len(), 4, "a plan has altered the table");
    let migration = migrate(&database, MySql::options()).await.unwrap();
    assert_eq!(migration, planned);
    assert_eq!((migration.from, migration.to, migration.adopted), (None, 3, true));
    assert!(
        migration.done.contains(&Done::TableMade { table: "workflow_history".to_owned() }),
        "{migration}"
    );
    assert_eq!(indexes(&database).await, all());
    let again = migrate(&database, MySql::options()).await.unwrap();
    assert_eq!((again.from, again.adopted, again.done.len()), (Some(3), true, 0), "{again}");
    let backend = database.open().await;
    let found = backend.store().latest(&orders(), &key("order-1")).await.unwrap().unwrap();
    assert_eq!((found.run_id, found.version), (run_id, version(7)));
    // An insert that names none of the additions still works.
    database.run(&row(RunId::generate(), "order-2", 1, 1)).await;
    assert!(backend.store().latest(&orders(), &key("order-2")).await.unwrap().is_some());
    // Who asks for the lean set does not lose the indexes of tables that were made elsewhere.
    migrate(&database, MySql::options().indexes(IndexSet::Lean)).await.unwrap();
    assert_eq!(indexes(&database).await, all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_the_guides_collation_takes_for_one_are_told_apart() {
    let keys = ["Case", "case", "case ", "CASE"];
    let runs = keys.map(|_| RunId::generate());
    let rows: Vec<String> = (0..3).map(|at| row(runs[at], keys[at], 2, at as u32 + 1)).collect();
    let database = adoptable(&rows).await;
    let store = database.open().await.store().clone();
    for at in 0..3 {
        let found = store.latest(&orders(), &key(keys[at])).await.unwrap().unwrap();
        assert_eq!((found.run_id, found.foreign_id.as_str()), (runs[at], keys[at]));
        let page = store
            .list(&ListQuery { foreign_ids: vec![key(keys[at])], ..ListQuery::default() })
            .await
            .unwrap();
        assert_eq!(page.records.iter().map(|record| record.run_id).collect::<Vec<_>>(), [runs[at]]);
        let taken = store.commit(vec![creation(&new_run(keys[at]))], Vec::new()).await.unwrap();
        assert_eq!(taken, [Outcome::DuplicateActiveRun { run_id: runs[at] }]);
    }
    assert_eq!(store.latest(&orders(), &key(keys[3])).await.unwrap(), None);
    start(&store, keys[3]).await;
    // The reconciler walks all of them.
    let slice = store.driverless(&orders(), std::time::Duration::ZERO, None, 10).await.unwrap();
    assert!(slice.records.len() >= 3, "{}", slice.records.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_the_go_library_moved_meanwhile_is_not_overwritten() {
    let run_id = RunId::generate();
    let database = adoptable(&[row(run_id, "order-1", 2, 7)]).await;
    let store = database.open().await.store().clone();
    let read = store.lookup(&[run_id]).await.unwrap().remove(0).unwrap().unwrap();
    let ours = store_over(&store, &read, &stepped(&read, 2)).await;
    assert_eq!(ours.version, version(8));
    // The Go library's update names neither version nor any other addition.
    database
        .run(&format!(
            "update workflow_records set status = 3, meta = replace(meta, '\"Version\":8', '\"Version\":9') where run_id = '{run_id}'"
        ))
        .await;
    let change = workflow_conformance::samples::update(&ours, &stepped(&ours, 4));
    let refused = store.commit(vec![change], Vec::new()).await.unwrap();
    assert_eq!(refused, [Outcome::VersionConflict { actual: version(9) }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_take_tables_over_at_once() {
    let rows: Vec<String> =
        (0..200).map(|number| row(RunId::generate(), &format!("order-{number}"), 2, 1)).collect();
    let database = adoptable(&rows).await;
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        let url = database.url();
        processes.spawn(async move { MySql::migrate(&url).await });
    }
    let migrations = processes.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let busy = migrations.iter().filter(|migration| !migration.done.is_empty()).count();
    assert_eq!(busy, 1, "{migrations:?}");
    assert_eq!(indexes(&database).await, all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_are_listed_and_refused_until_they_are_cancelled() {
    let [old, new, newest, other] = [0; 4].map(|_| RunId::generate());
    // One that only the collation takes for another one is none.
    let rows = [
        row(old, "order-1", 1, 2),
        row(new, "order-1", 3, 5),
        row(newest, "order-1", 2, 9),
        row(other, "ORDER-1", 2, 1),
    ];
    let database = adoptable(&rows).await;
    for refused in [migrate(&database, MySql::options()).await, migrate(&database, MySql::options()).await] {
        let MigrateError::Duplicates { duplicates, .. } = &refused.unwrap_err() else {
            panic!("another error")
        };
        assert_eq!(duplicates.len(), 1, "{duplicates:?}");
        assert_eq!(duplicates[0].runs, [newest, new, old].map(|run_id| run_id.to_string()));
    }
    let connecting = MySql::connect(&database.url()).await.map(drop).unwrap_err();
    assert!(connecting.to_string().contains(&format!("{newest} and {new} and {old}")), "{connecting}");
    assert!(!connecting.to_string().contains("order-1"), "a message has the user's data: {connecting}");
    let migration = migrate(&database, MySql::options().cancel_duplicates()).await.unwrap();
    let cancelled = migration.done.iter().filter(|done| matches!(done, Done::RunCancelled { .. })).count();
    assert_eq!(cancelled, 2, "{migration}");
    let store = database.open().await.store().clone();
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_was_interrupted_is_gone_on_with() {
    let run_id = RunId::generate();
    let database = adoptable(&[row(run_id, "order-1", 2, 3), row(RunId::generate(), "order-1", 2, 4)]).await;
    // It ends in the middle, before the indexes: what it has made stays.
    assert!(matches!(migrate(&database, MySql::options()).await, Err(MigrateError::Duplicates { .. })));
    database
        .run(&format!("drop table workflow_inbox; delete from workflow_records where run_id = '{run_id}'"))
        .await;
    let migration = migrate(&database, MySql::options()).await.unwrap();
    assert!(migration.adopted && migration.from.is_none(), "{migration}");
    assert!(migration.done.contains(&Done::TableMade { table: "workflow_inbox".to_owned() }), "{migration}");
    assert_eq!(indexes(&database).await, all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_indexes_come_and_go_on_tables_in_use() {
    let database = Database::fresh().await;
    let backend = database.open().await;
    start(backend.store(), "order-1").await;
    migrate(&database, MySql::options().indexes(IndexSet::Guide)).await.unwrap();
    assert_eq!(indexes(&database).await, all());
    let nothing = migrate(&database, MySql::options()).await.unwrap();
    assert!(nothing.done.is_empty(), "{nothing}");
    let migration = migrate(&database, MySql::options().indexes(IndexSet::Lean)).await.unwrap();
    let dropped = migration.done.iter().filter(|done| matches!(done, Done::IndexDropped { .. })).count();
    assert_eq!(dropped, 4, "{migration}");
    assert_eq!(indexes(&database).await, LEAN);
    start(backend.store(), "order-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_version_1_are_altered_and_their_runs_go_on() {
    let database = Database::fresh().await;
    database.run(include_str!("version_1/mysql.sql")).await;
    database.run("insert into workflow_schema values (1, 1)").await;
    let refused = MySql::options().without_migrating().connect(&database.url()).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent);
    assert!(
        refused.to_string().contains("tables of version 1, and this program needs version 3"),
        "{refused}"
    );
    let migration = migrate(&database, MySql::options()).await.unwrap();
    assert_eq!((migration.from, migration.to, migration.adopted), (Some(1), 3, false));
    // What is due was found by other columns then.
    let remade = migration.done.iter().filter(|done| matches!(done, Done::IndexRemade { .. })).count();
    assert_eq!((migration.done.len(), remade), (5, 2), "{migration}");
    start(database.open().await.store(), "order-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_make_tables_is_told_so() {
    let database = Database::fresh().await;
    let user = format!("u{}", &Uuid::new_v4().simple().to_string()[..16]);
    let on = format!("on {}.*", database.name());
    database.run(&format!("create user {user} identified by 'secret'; grant select {on} to {user}")).await;
    let (scheme, rest) = database.url().split_once("://").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let place = rest.split_once('@').map_or(rest.as_str(), |(_, place)| place);
    let url = format!("{scheme}://{user}:secret@{place}");
    let refused = MySql::connect(&url).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Permanent);
    assert!(refused.to_string().contains("may not migrate"), "{refused}");
    migrate(&database, MySql::options()).await.unwrap();
    // Where the tables are there, the right to use them is enough.
    database.run(&format!("grant select, insert, update, delete {on} to {user}")).await;
    start(MySql::connect(&url).await.unwrap().store(), "order-1").await;
    database.run(&format!("drop user {user}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_tables_are_left_alone_or_refused_by_name() {
    let database = Database::fresh().await;
    migrate(&database, MySql::options()).await.unwrap();
    database.run("update workflow_schema set version = 99; drop table workflow_inbox").await;
    let tolerated = migrate(&database, MySql::options()).await.unwrap();
    assert_eq!((tolerated.from, tolerated.to, tolerated.done.len()), (Some(99), 99, 0));
    start(database.open().await.store(), "order-1").await;
    database.run("update workflow_schema set oldest_program = 98").await;
    let refused = migrate(&database, MySql::options()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::TooNew { found: 99, oldest_program: 98, .. }), "{refused}");
    let connecting = MySql::connect(&database.url()).await.map(drop).unwrap_err();
    assert_eq!(connecting.to_string(), refused.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_in_the_way_are_named() {
    let database = adoptable(&[]).await;
    database.run("create table workflow_timeouts (id bigint, run_id varchar(255))").await;
    let refused = migrate(&database, MySql::options()).await.unwrap_err();
    assert!(
        matches!(&refused, MigrateError::OtherTable { table, .. } if table == "workflow_timeouts"),
        "{refused}"
    );
    database.run("drop table workflow_timeouts; alter table workflow_outbox drop column data").await;
    let refused = migrate(&database, MySql::options()).await.unwrap_err();
    assert!(refused.to_string().contains("no column data"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_do_not_share_a_prefix() {
    let database = Database::fresh().await;
    let names = |records, outbox| TableNames::new(records, outbox).unwrap();
    migrate(&database, MySql::options().tables(names("one_runs", "one_events"))).await.unwrap();
    let refused =
        migrate(&database, MySql::options().tables(names("two_runs", "two_events"))).await.unwrap_err();
    assert!(matches!(refused, MigrateError::OtherStore { .. }), "{refused}");
}
