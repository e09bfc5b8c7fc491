//! The doctor on SQLite files: healthy, and with each fault.
#![cfg(feature = "sqlite")]
#![allow(missing_docs, clippy::unwrap_used)]

mod doctor_support;

use doctor_support::{finds, is_healthy, options, report, report_with};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use store_sql::doctor::{FindingId, Verdict};
use store_sql::{Sqlite, TableNames};
use tempfile::TempDir;

struct File(TempDir);

impl File {
    async fn with_tables() -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        drop(Sqlite::open(file.0.path().join("orders.db")).await.unwrap());
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("orders.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    async fn run(&self, text: &str) {
        let options = SqliteConnectOptions::new().filename(self.path());
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_fresh_file_is_healthy() {
    let file = File::with_tables().await;
    is_healthy(&report(&file.url()).await);
}

#[tokio::test]
async fn each_fault_has_its_finding() {
    let record = |id: &str, state: i32, more: &str| {
        format!(
            "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, \
             updated_at, version, live{}) values ('{id}', 'orders', '{id}', {state}, 1, '{{}}', 1000, 1000, 1, 1{})",
            if more.is_empty() { "" } else { ", paused_by" },
            more
        )
    };
    let cases: [(String, &[FindingId]); 14] = [
        ("drop index workflow_records_live".into(), &[FindingId::IndexMissing]),
        (
            "drop index workflow_records_by_age; create index workflow_records_by_age on workflow_records (created_at)".into(),
            &[FindingId::IndexDiffers],
        ),
        ("create index mine on workflow_records (run_state)".into(), &[FindingId::IndexOfTheGuide]),
        ("create index mine on workflow_records (meta)".into(), &[FindingId::IndexUnknown]),
        ("drop table workflow_slots".into(), &[FindingId::TableMissing]),
        ("update workflow_schema set version = 99".into(), &[FindingId::SchemaNewer]),
        ("update workflow_schema set version = 99, oldest_program = 99".into(), &[FindingId::SchemaTooNew]),
        ("update workflow_schema set version = 0".into(), &[FindingId::SchemaOld]),
        (
            "insert into workflow_outbox (id, workflow_name, data, created_at) values ('a', 'orders', '', 1000)".into(),
            &[FindingId::OutboxOld],
        ),
        (
            "insert into workflow_dead_letters values ('a', 'orders', null, null, 'p', 'r', '', 1000)".into(),
            &[FindingId::DeadLetters],
        ),
        (
            "insert into workflow_retries values ('a', 1, 'p', 'orders', 1, 1000, '', '')".into(),
            &[FindingId::RetriesOverdue],
        ),
        (
            "insert into workflow_timeouts values ('a', 1, 't', 'orders', 'x', 1, 0, 1000, 1000)".into(),
            &[FindingId::TimersOverdue],
        ),
        (record("a", 2, ""), &[FindingId::RunsQuiet]),
        (record("a", 3, ", 'engine'"), &[FindingId::RunsPaused]),
    ];
    for (fault, expected) in cases {
        let file = File::with_tables().await;
        file.run(&fault).await;
        finds(&report(&file.url()).await, expected);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_looked_at_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    std::fs::write(
        folder.path().join("text.db"),
        "no database at all, but long enough to be looked at".repeat(20),
    )
    .unwrap();
    let cases = [("none.db", FindingId::DatabaseMissing), ("text.db", FindingId::FileDamaged)];
    for (name, id) in cases {
        let found = report(&url(name)).await;
        finds(&found, &[id]);
        assert_eq!(found.verdict(), Verdict::CouldNotCheck);
    }
    assert!(!folder.path().join("none.db").exists(), "the doctor makes no file");
    std::fs::write(folder.path().join("empty.db"), "").unwrap();
    let found = report(&url("empty.db")).await;
    assert!(found.of(FindingId::SchemaMissing).count() == 1, "{found}");
}

#[tokio::test]
async fn another_journal_is_found_and_is_left_alone() {
    let file = File::with_tables().await;
    let options = SqliteConnectOptions::new().filename(file.path()).journal_mode(SqliteJournalMode::Delete);
    // The store that made the file may not have closed it yet.
    let other = loop {
        match SqliteConnection::connect_with(&options).await {
            Ok(other) => break other,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    other.close().await.unwrap();
    for _ in 0..2 {
        finds(&report(&file.url()).await, &[FindingId::JournalMode]);
    }
}

#[tokio::test]
async fn size_and_disk_are_looked_at() {
    let file = File::with_tables().await;
    let strict = options().table_bytes(1).free_bytes_min(u64::MAX);
    finds(&report_with(&file.url(), strict).await, &[FindingId::TableLarge, FindingId::DiskNearlyFull]);
}

#[tokio::test]
async fn the_probe_leaves_nothing_behind() {
    let file = File::with_tables().await;
    // A trigger sees what nobody else can: the doctor's rows, and that they go.
    file.run(
        "create table seen (what text); create trigger came after insert on workflow_records begin insert into seen values \
         ('in'); end; create trigger went after delete on workflow_records begin insert into seen values ('out'); end",
    )
    .await;
    is_healthy(&report(&file.url()).await);
    let options = SqliteConnectOptions::new().filename(file.path());
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let seen: Vec<String> =
        sqlx::query_scalar("select what from seen").fetch_all(&mut connection).await.unwrap();
    assert_eq!(seen, ["in", "out"]);
    for table in
        ["records", "outbox", "timeouts", "retries", "history", "dead_letters", "inbox", "slots", "roles"]
    {
        let text = AssertSqlSafe(format!("select count(*) from workflow_{table}"));
        let rows: i64 = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    file.run("create trigger bar before update on workflow_records begin select raise(abort, 'barred'); end")
        .await;
    let found = report(&file.url()).await;
    finds(&found, &[FindingId::ProbeFailed]);
    assert!(found.findings[0].message.contains("could not be moved: barred"), "{found}");
}

#[tokio::test]
async fn tables_of_any_name_are_looked_at() {
    let file = File(tempfile::tempdir().unwrap());
    let names = TableNames::new("Runs", "events").unwrap().with_prefix("shop_").unwrap();
    drop(Sqlite::options().tables(names.clone()).open(file.path()).await.unwrap());
    let with = || options().tables(names.clone());
    is_healthy(&report_with(&file.url(), with()).await);
    file.run("drop index shop_records_by_age").await;
    let found = report_with(&file.url(), with()).await;
    finds(&found, &[FindingId::IndexMissing]);
    file.run(&found.findings[0].fix).await;
    is_healthy(&report_with(&file.url(), with()).await);
}
