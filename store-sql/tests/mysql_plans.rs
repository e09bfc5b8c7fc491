//! Every statement that the store runs finds its rows by an index, on a database that holds many.
//!
//! The server's own log tells which statements the store really sent; each is then explained. So nothing is explained that
//! is not run, and nothing that is run goes unseen.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;

use std::collections::BTreeSet;
use std::time::Duration;

use mysql_support::Database;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};
use store_sql::mysql::MySqlStore;
use workflow_conformance::samples::{
    ack_all, completed, creation, effects_at, found, key, new_run, orders, retry_row, role, start, start_key,
    status, stepped, store_over, timer, timer_key, update,
};
use workflow_core::adapter::{Cursor, Effect, EpochClaim, Fence, ListQuery, Page, Store};
use workflow_core::{Due, Timestamp};

/// The most rows that a statement may look at in a table, unless it reads one page; there are 20,000.
const ROWS_MAX: u64 = 2_000;

const FILL: &str = "
insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, meta, version)
 select 'orders', concat('old-', seq mod 5000), uuid(), if(seq > 19000, 2, 5), 1, '{}', date_sub(now(3), interval seq second),
 date_sub(now(3), interval seq second), null, 4 from seq_1_to_20000 where seq <= 19000 or seq mod 5000 <> 0;
insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, meta, version)
 select 'other', concat('o-', seq), uuid(), 2, 1, '{}', now(3), now(3), null, 1 from seq_1_to_2000;
insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket)
 select concat('outbox-id-', uuid()), 'other', '', now(3), uuid(), 1, 1 from seq_1_to_20000;
insert into workflow_timeouts (run_id, entered, name, workflow_name, foreign_id, status, state, expire_at, created_at)
 select uuid(), 1, '0', if(seq mod 2 = 0, 'orders', 'other'), 'x', 1, if(seq mod 3 = 0, 2, 0), date_sub(now(3), interval 50000 - seq
 second), now(3) from seq_1_to_40000;
insert into workflow_retries (run_id, version, process, workflow_name, attempt, due_at, last_error, event)
 select uuid(), 1, 'p', if(seq > 30000, 'orders', 'other'), 1, if(seq mod 3 = 0, null, date_sub(now(3), interval 50000 - seq second)),
 '', '' from seq_1_to_40000;
insert into workflow_history (run_id, version, workflow_name, to_status, run_state, reason, actor, attempt, duration_us, at)
 select uuid(), 1, 'orders', 1, 1, '', 'step', 1, 1, now(3) from seq_1_to_20000;
insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, data, created_at)
 select uuid(), 'orders', uuid(), 1, 'p', '', '', now(3) from seq_1_to_20000;
insert into workflow_inbox (run_id, status, `key`, payload, applied, noted) select uuid(), 1, 'k', '', 0, seq from seq_1_to_20000;
insert into workflow_slots (workflow_name, foreign_id, spec, slot)
 select 'orders', concat('s-', seq), '@daily', now(3) from seq_1_to_20000;
insert into workflow_roles (role, epoch) select concat('role-', seq), 1 from seq_1_to_20000;
analyze table workflow_records, workflow_outbox, workflow_timeouts, workflow_retries, workflow_history, workflow_dead_letters,
 workflow_inbox, workflow_slots, workflow_roles";

/// Uses the store in every way.
async fn use_it(store: &MySqlStore) {
    let role = role(1);
    let epoch = store.register(&role, EpochClaim::Next).await.unwrap().unwrap();
    let mut new = new_run("new-1");
    new.start_key = Some(start_key("once"));
    store.commit(vec![creation(&new), creation(&new_run("new-2"))], Vec::new()).await.unwrap();
    let one = found(store, new.run_id).await.unwrap();
    let mut step = update(&one, &stepped(&one, 2));
    step.fence = Some(Fence { role, epoch });
    step.effects.push(timer(&one, "0", Due::In(Duration::ZERO)));
    step.effects.push(Effect::PutRetry(retry_row(&one, "p", Some(Due::In(Duration::ZERO)))));
    step.effects.push(Effect::PutCallback(workflow_conformance::samples::callback(1, "k")));
    step.effects.push(Effect::TakeSlot(workflow_conformance::samples::slot(1)));
    store.commit(vec![step], Vec::new()).await.unwrap();
    let one = found(store, new.run_id).await.unwrap();
    let key_of_retry = workflow_conformance::samples::retry_key(&one, "p");
    let effects = vec![
        Effect::HoldTimer(timer_key(&one, "0")),
        Effect::ReleaseTimers,
        Effect::CompleteTimer(timer_key(&one, "0")),
        Effect::CancelTimers(Some(one.version)),
        Effect::CancelTimers(None),
        Effect::DeleteRetry(key_of_retry.clone()),
        Effect::DeleteRetries,
        Effect::ApplyCallback { status: status(1), key: "k".into() },
        Effect::ForgetSlots(workflow_conformance::samples::slot(1)),
        Effect::Scrub,
    ];
    store.commit(vec![effects_at(&one, effects)], Vec::new()).await.unwrap();
    store.retry(&key_of_retry).await.unwrap();
    look_at_it(store, &one).await;
    store_over(store, &one, &completed(&one)).await;
    ack_all(store).await;
    store.purge(&orders(), Duration::from_secs(3600), 100).await.unwrap();
}

async fn look_at_it(store: &MySqlStore, one: &workflow_core::Record) {
    for id in ["new-1", "old-7", "nobody"] {
        store.latest(&orders(), &key(id)).await.unwrap();
    }
    store.started_by(&orders(), &start_key("once")).await.unwrap();
    store.due(&[orders()], 100).await.unwrap();
    store.inbox(one.run_id, status(1)).await.unwrap();
    store.last_slot(&workflow_conformance::samples::slot(0)).await.unwrap();
    store.dead_letters(10).await.unwrap();
    store.entered(&[(one.run_id, status(1))]).await.unwrap();
    let history = workflow_core::adapter::HistoryQuery { run_id: one.run_id, after: None, limit: 10 };
    store.history(&history).await.unwrap();
    let page = store.outbox(None, 100).await.unwrap();
    store.outbox(page.rows.last().map(|row| &*row.id), 100).await.unwrap();
    let mut after = None;
    for _ in 0..2 {
        after = store.driverless(&orders(), Duration::from_secs(1), after, 100).await.unwrap().next;
    }
    for newest_first in [true, false] {
        let of_orders = ListQuery { workflow_name: Some(orders()), newest_first, ..ListQuery::default() };
        store.list(&of_orders).await.unwrap();
        let deep = Cursor {
            created_at: Timestamp::from_millis(one.created_at.as_millis() - 10_000_000),
            ..cursor(one)
        };
        store.list(&ListQuery { page: Page::After(deep), ..of_orders.clone() }).await.unwrap();
        store.list(&ListQuery { foreign_ids: vec![key("old-7"), key("new-1")], ..of_orders }).await.unwrap();
    }
}

fn cursor(record: &workflow_core::Record) -> Cursor {
    Cursor { created_at: record.created_at, run_id: record.run_id }
}

/// The statements that were sent while the log was on, each once by its beginning.
async fn sent(connection: &mut MySqlConnection, database: &str) -> Vec<String> {
    let text = "select distinct convert(l.argument using utf8mb4) from mysql.general_log l join \
                information_schema.processlist p on p.id = l.thread_id where p.db = ? and l.command_type in ('Execute', \
                'Query') order by 1";
    let statements: Vec<String> =
        sqlx::query_scalar(text).bind(database).fetch_all(connection).await.unwrap();
    let explained = |text: &String| {
        let lower = text.trim_start().to_lowercase();
        lower.contains("workflow_")
            && ["select", "update", "delete"].iter().any(|verb| lower.starts_with(verb))
    };
    let mut seen = BTreeSet::new();
    statements
        .into_iter()
        .filter(explained)
        .filter(|text| seen.insert(text.chars().take(400).collect::<String>()))
        .collect()
}

/// Runs a statement and tells whether it read many more rows of a table than a page has.
async fn read_too_much(connection: &mut MySqlConnection, statement: &str) -> Option<String> {
    let analyze = AssertSqlSafe(format!("analyze {statement}"));
    let rows = sqlx::raw_sql(analyze).fetch_all(connection).await.unwrap();
    let read = rows.iter().filter_map(|row| row.get::<Option<String>, _>("r_rows"));
    // With a share of them, where the server looks into a second index first.
    let read = read.map(|rows| rows.split(" (").next().unwrap().parse::<f64>().unwrap() as u64);
    let most = read.max().unwrap_or(0);
    (most > ROWS_MAX).then(|| format!("{most} rows were read: {statement}"))
}

/// Tables that the store made, and then such as were made by hand from the Go library's guide: one after the other, as the
/// server has one log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_finds_its_rows_by_an_index() {
    explain_all(Database::fresh().await).await;
    let adopted = Database::fresh().await;
    adopted.run(include_str!("guide/mariadb.sql")).await;
    explain_all(adopted).await;
}

async fn explain_all(database: Database) {
    let backend = database.open().await;
    database.run(FILL).await;
    start(backend.store(), "before").await;
    let mut log = database.beside().await;
    sqlx::raw_sql("set global log_output = 'TABLE', global general_log = on")
        .execute(&mut log)
        .await
        .unwrap();
    use_it(backend.store()).await;
    sqlx::raw_sql("set global general_log = off").execute(&mut log).await.unwrap();
    let statements = sent(&mut log, database.name()).await;
    assert!(statements.len() >= 30, "{}: {statements:#?}", statements.len());
    let mut wrong = Vec::new();
    for statement in &statements {
        // A page that is read in the order of its index ends at its limit, whatever the plan says: it is run, and counted.
        if statement.starts_with("select") && statement.contains(" limit ") {
            wrong.extend(read_too_much(&mut log, statement).await);
        }
        let explain = AssertSqlSafe(format!("explain {statement}"));
        for row in sqlx::raw_sql(explain).fetch_all(&mut log).await.unwrap() {
            let access: Option<String> = row.get("type");
            let (index, rows): (Option<String>, Option<String>) = (row.get("key"), row.get("rows"));
            // With a share of them, where the server looks into a second index first.
            let rows: u64 = rows.map_or(0, |rows| rows.split(" (").next().unwrap().parse().unwrap());
            let extra: String = row.get("Extra");
            // A page that is read in the order of its index ends at its limit, whatever the estimate says.
            let is_page = statement.contains(" limit ") && !extra.contains("filesort");
            // What comes with the statement is read as a whole.
            let table: Option<String> = row.get("table");
            let is_computed =
                extra.contains("Table function") || table.is_some_and(|table| table.starts_with('<'));
            if is_computed {
                continue;
            }
            let scans = access.is_some_and(|access| access == "ALL") || (index.is_none() && rows > 1);
            if scans || (rows > ROWS_MAX && !is_page) {
                wrong.push(format!("{rows} rows, index {index:?}: {statement}"));
            }
        }
    }
    log.close().await.unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
