//! The doctor on MariaDB: a database of its own, healthy and with each fault that a database can have.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod doctor_support;
mod mysql_support;

use doctor_support::{finds, ids, is_healthy, options, report, report_with, severity};
use mysql_support::Database;
use store_sql::doctor::{Finding, FindingId, Severity, Verdict};
use store_sql::{MySql, Table, TableNames};

/// What the Go library's database guide says to create.
const GUIDE: &str = "create table workflow_records (workflow_name varchar(255) not null, foreign_id varchar(255) not null, \
    run_id varchar(255) not null, run_state int not null, status int not null, object longblob not null, created_at \
    datetime(3) not null, updated_at datetime(3) not null, meta blob, primary key(run_id), index \
    by_workflow_name_foreign_id_status (workflow_name, foreign_id, status), index by_run_state (run_state), index \
    by_created_at (created_at)) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci; create table \
    workflow_outbox (id varchar(255) not null, workflow_name varchar(255) not null, data blob, created_at datetime(3) not \
    null, primary key (id), index by_workflow_name (workflow_name)) engine=InnoDB default charset=utf8mb4 \
    collate=utf8mb4_unicode_ci";

async fn with_tables() -> Database {
    let database = Database::fresh().await;
    drop(database.open().await);
    database
}

fn record(id: &str, state: i32, paused_by: &str) -> String {
    format!(
        "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, \
         version, paused_by) values ('{id}', 'or\\'ders', '{id}', {state}, 1, '{{}}', '2020-01-01', '2020-01-01', 1, {paused_by})"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_tables_are_healthy() {
    let database = with_tables().await;
    is_healthy(&report(&database.url()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_of_the_tables_has_its_finding() {
    let latin = "alter table workflow_inbox modify `key` varchar(255) character set latin1 not null";
    let loose = "alter table workflow_slots modify spec varchar(255) character set utf8mb4 collate utf8mb4_bin not null";
    let cases: [(&str, &[FindingId]); 14] = [
        ("alter table workflow_records drop key workflow_records_by_age", &[FindingId::IndexMissing]),
        (
            "alter table workflow_records drop key workflow_records_by_age, add key workflow_records_by_age (created_at)",
            &[FindingId::IndexDiffers],
        ),
        (
            "alter table workflow_roles drop primary key, add key roles (role)",
            &[FindingId::IndexMissing, FindingId::IndexNotUsed, FindingId::IndexUnknown],
        ),
        (
            "alter table workflow_records alter index workflow_records_start_key ignored",
            &[FindingId::IndexNotUsed],
        ),
        (
            "alter table workflow_records add key by_run_state (run_state)",
            &[FindingId::IndexOfTheGuide, FindingId::IndexNotUsed],
        ),
        ("alter table workflow_outbox add key mine (created_at)", &[FindingId::IndexUnknown]),
        ("drop table workflow_slots", &[FindingId::TableMissing]),
        ("alter table workflow_inbox drop column noted", &[FindingId::ColumnMissing]),
        ("update workflow_schema set version = 99", &[FindingId::SchemaNewer]),
        ("update workflow_schema set version = 99, oldest_program = 99", &[FindingId::SchemaTooNew]),
        ("update workflow_schema set version = 0", &[FindingId::SchemaOld]),
        ("alter table workflow_history engine = MyISAM", &[FindingId::EngineNotTransactional]),
        (latin, &[FindingId::CharsetNotUtf8mb4]),
        (loose, &[FindingId::CollationMergesKeys]),
    ];
    for (fault, expected) in cases {
        let database = with_tables().await;
        database.run(fault).await;
        finds(&report(&database.url()).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_finding_says_to_run_mends_it() {
    let faults = [
        "alter table workflow_records drop key workflow_records_live",
        "alter table workflow_inbox drop primary key",
        "alter table workflow_records drop key workflow_records_by_age, add key workflow_records_by_age (created_at)",
        "alter table workflow_history engine = MyISAM",
        "alter table workflow_slots modify spec varchar(255) character set latin1 not null",
        "alter table workflow_retries modify process varchar(255) character set utf8mb4 collate utf8mb4_unicode_ci not null",
    ];
    for fault in faults {
        let database = with_tables().await;
        database.run(fault).await;
        let found = report(&database.url()).await;
        assert!(!found.ok, "{fault}");
        for finding in &found.findings {
            if finding.id != FindingId::IndexNotUsed && finding.id != FindingId::ProbeFailed {
                database.run(&finding.fix).await;
            }
        }
        is_healthy(&report(&database.url()).await);
    }
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
        let database = with_tables().await;
        database.run(fault).await;
        finds(&report(&database.url()).await, &[expected]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_guide_are_told_with_what_stands_in_the_way() {
    let database = Database::fresh().await;
    database.run(GUIDE).await;
    let row = |run: &str, foreign_id: &str, state: i32| {
        format!(
            "insert into workflow_records values ('orders', '{foreign_id}', '{run}', {state}, 1, '{{}}', now(3), now(3), null)"
        )
    };
    let runs = [("a", "Case", 5), ("b", "case", 2), ("c", "case", 2), ("d", "case ", 2), ("e", "other", 2)];
    for (run, foreign_id, state) in runs {
        database.run(&row(run, foreign_id, state)).await;
    }
    let found = report(&database.url()).await;
    finds(
        &found,
        &[
            FindingId::SchemaOfTheGuide,
            FindingId::LiveRunsDuplicate,
            FindingId::CollationMergesKeys,
            FindingId::KeysCollide,
        ],
    );
    let named = |finding: &Finding| finding.message.ends_with("the runs: b, c");
    assert!(found.of(FindingId::LiveRunsDuplicate).all(named), "{found}");
    assert_eq!(found.verdict(), Verdict::Findings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adopted_tables_work_and_their_indexes_have_a_price() {
    let database = Database::fresh().await;
    database.run(GUIDE).await;
    let empty = Database::fresh().await;
    finds(&report(&empty.url()).await, &[FindingId::SchemaMissing]);
    let found = report(&database.url()).await;
    assert_eq!(severity(&found, FindingId::SchemaOfTheGuide), Severity::Error);
    assert!(found.of(FindingId::SchemaOfTheGuide).all(|finding| finding.fix.contains("workflowctl migrate")));
    assert!(!found.to_string().contains(&password(&database.url())), "the password is not told");
}

/// The password in an address.
fn password(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split_once('@').unwrap().0.split_once(':').unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_is_told() {
    let database = with_tables().await;
    let url = database.url();
    let wrong = url.replace(&password(&url), "wrong");
    let missing = url.replace(database.name(), "wf_test_none");
    let (before, after) = url.rsplit_once(':').unwrap();
    let unheard = format!("{before}:1/{}", after.split_once('/').unwrap().1);
    let tls = format!("{url}?ssl-mode=REQUIRED");
    let cases = [
        (wrong, FindingId::LoginRefused),
        (missing, FindingId::DatabaseMissing),
        (unheard, FindingId::ServerUnreachable),
        (tls, FindingId::TlsRefused),
    ];
    for (url, id) in cases {
        let found = report(&url).await;
        finds(&found, &[id]);
        assert_eq!((found.ok, found.verdict().exit_code()), (false, 2));
        assert!(!found.to_string().contains(&password(&database.url())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_probe_is_seen_by_nobody_and_leaves_nothing() {
    let database = with_tables().await;
    // A table without transactions keeps what a trigger sees of the doctor's rows.
    database.run("create table seen (what varchar(3)) engine = MyISAM").await;
    database
        .run(
            "create trigger came after insert on workflow_outbox for each row insert into seen values ('in')",
        )
        .await;
    database.run("create trigger went after delete on workflow_outbox for each row insert into seen values ('out')").await;
    is_healthy(&report(&database.url()).await);
    let mut beside = database.beside().await;
    let seen: Vec<String> = sqlx::query_scalar("select what from seen").fetch_all(&mut beside).await.unwrap();
    assert_eq!(seen, ["in", "out"]);
    for table in
        ["records", "outbox", "timeouts", "retries", "history", "dead_letters", "inbox", "slots", "roles"]
    {
        let text = sqlx::AssertSqlSafe(format!("select count(*) from workflow_{table}"));
        let rows: i64 = sqlx::query_scalar(text).fetch_one(&mut beside).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    database
        .run("create trigger bar before update on workflow_records for each row signal sqlstate '45000' set message_text = 'barred'")
        .await;
    let found = report(&database.url()).await;
    finds(&found, &[FindingId::ProbeFailed]);
    assert!(found.findings[0].message.contains("could not be moved: barred"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_is_looked_at() {
    let database = with_tables().await;
    let found = report_with(&database.url(), options().table_bytes(1)).await;
    assert!(found.ok, "{found}");
    assert_eq!(ids(&found).into_iter().collect::<Vec<_>>(), ["table-large"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_any_name_are_looked_at() {
    let (database, beside) = (Database::fresh().await, Database::fresh().await);
    let own = TableNames::new("Runs", "events").unwrap().with_prefix("shop_").unwrap();
    let elsewhere = TableNames::default().in_schema(beside.name()).unwrap();
    for names in [own, elsewhere] {
        drop(database.open_with(MySql::options().tables(names.clone())).await);
        let with = || options().tables(names.clone());
        is_healthy(&report_with(&database.url(), with()).await);
        let records = names.qualified(Table::Records);
        let index = format!("{}records_by_age", names.prefix());
        database.run(&format!("alter table {records} drop key {index}, add key mine (run_state)")).await;
        let found = report_with(&database.url(), with()).await;
        finds(&found, &[FindingId::IndexMissing, FindingId::IndexOfTheGuide]);
        let finding = found.of(FindingId::IndexMissing).next().unwrap();
        assert_eq!(finding.fix, format!("alter table {records} add key {index} (workflow_name, created_at)"));
        for finding in &found.findings {
            database.run(finding.fix.trim_start_matches("unless somebody lists by it: ")).await;
        }
        is_healthy(&report_with(&database.url(), with()).await);
    }
    finds(&report(&database.url()).await, &[FindingId::SchemaMissing]);
}

/// What it says of tables that were taken over: what the guide's tables have by their nature, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_were_taken_over_are_looked_at_by_their_twins() {
    let database = Database::fresh().await;
    database.run(GUIDE).await;
    MySql::migrate(&database.url()).await.unwrap();
    let found = report(&database.url()).await;
    let wanted = [FindingId::CollationMergesKeys, FindingId::IndexOfTheGuide, FindingId::IndexNotUsed];
    finds(&found, &wanted);
    assert!(found.ok, "{found}");
    // A key that is missing goes by the twins, too.
    database.run("alter table workflow_records drop key workflow_records_live").await;
    let found = report(&database.url()).await;
    let missing: Vec<_> = found.of(FindingId::IndexMissing).collect();
    assert_eq!(missing.len(), 1, "{found}");
    database.run(&missing[0].fix).await;
    finds(&report(&database.url()).await, &wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_mends_what_is_missing() {
    let faults = ["drop table workflow_slots", "alter table workflow_inbox drop column noted"];
    for fault in faults {
        let database = with_tables().await;
        database.run(fault).await;
        let found = report(&database.url()).await;
        assert!(found.findings[0].fix.starts_with("run: workflowctl migrate"), "{found}");
        MySql::migrate(&database.url()).await.unwrap();
        is_healthy(&report(&database.url()).await);
    }
}
