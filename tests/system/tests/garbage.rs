//! Garbage in every column of every table: whatever is in one row, the other runs go on, calls answer, and the row's
//! run is still there.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use futures_util::{StreamExt, stream};
use store_sql::Sqlite;
use workflow::adapter::ListQuery;
use workflow_system_tests::fixture;
use workflow_system_tests::parcels::{Depot, parcels};
use workflow_system_tests::patience::PATIENCE;
use workflow_system_tests::raw::Raw;

/// What is put into a column, as SQL.
const GARBAGE: [&str; 7] = ["null", "'garbage'", "x'ff00fe'", "-7", "9223372036854775807", "1.5e300", "''"];

/// The tables, and which of their rows are damaged.
const TABLES: [(&str, &str); 9] = [
    ("workflow_records", VICTIMS),
    ("workflow_outbox", VICTIMS),
    ("workflow_timeouts", VICTIMS),
    ("workflow_retries", VICTIMS),
    ("workflow_history", VICTIMS),
    ("workflow_inbox", VICTIMS),
    ("workflow_dead_letters", "true"),
    ("workflow_slots", "true"),
    ("workflow_roles", "role = 'parcels-delete-consumer'"),
];

const VICTIMS: &str = "run_id in (select run_id from victims)";

/// How many rounds go on side by side.
const ROUNDS_AT_ONCE: usize = 4;

/// Which column is damaged, and how.
#[derive(Clone, Debug)]
struct Damage {
    table: &'static str,
    rows: &'static str,
    column: String,
    garbage: &'static str,
}

impl Damage {
    /// Damages the file; tells whether the tables let it happen.
    async fn happens(&self, file: &Path) -> bool {
        let mut raw = Raw::open(file).await.unwrap();
        raw.run("create temp table victims as select run_id from workflow_records where foreign_id like 'victim%'")
            .await
            .unwrap();
        let Damage { table, rows, column, garbage } = self;
        let sql = format!("update or ignore {table} set {column} = {garbage} where {rows}");
        raw.change(&sql).await.is_ok_and(|rows| rows > 0)
    }

    /// Runs the workflow on a damaged copy of the file; tells whether it could be damaged in this way.
    async fn survive(self, original: &Path) -> Result<bool, workflow::Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("parcels.db");
        std::fs::copy(original, &file).unwrap();
        if !self.happens(&file).await {
            return Ok(false);
        }
        let database = Sqlite::open(&file).await?;
        let running = parcels(Depot::mended()).unwrap().run(&database).await?;
        fixture::healthy_go_on(&running).await?;
        running.list(ListQuery { limit: 3, newest_first: true, ..ListQuery::default() }).await?;
        running.list(ListQuery { limit: 3, ..ListQuery::default() }).await?;
        running.dead_letters(100).await?;
        let mut raw = Raw::open(&file).await.unwrap();
        assert_eq!(raw.number("select count(*) from workflow_records").await.unwrap(), 10, "a run was lost");
        running.purge(PATIENCE).await?;
        running.shutdown(PATIENCE).await;
        Ok(true)
    }
}

async fn damages(file: &Path) -> Vec<Damage> {
    let mut raw = Raw::open(file).await.unwrap();
    let mut damages = Vec::new();
    for (table, rows) in TABLES {
        for column in raw.texts(&format!("select name from pragma_table_info('{table}')")).await.unwrap() {
            for garbage in GARBAGE {
                damages.push(Damage { table, rows, column: column.clone(), garbage });
            }
        }
    }
    damages
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_one_row_stops_no_other_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parcels.db");
    fixture::make(&file).await;
    let tried = stream::iter(damages(&file).await).map(|damage| {
        let (file, told) = (file.clone(), damage.clone());
        async move { (told, tokio::spawn(async move { damage.survive(&file).await }).await) }
    });
    let tried: Vec<_> = tried.buffer_unordered(ROUNDS_AT_ONCE).collect().await;
    let (mut happened, mut failed) = (0, Vec::new());
    for (damage, end) in tried {
        match end {
            Ok(Ok(done)) => happened += usize::from(done),
            Ok(Err(error)) => failed.push(format!("{damage:?}: {error}")),
            Err(panic) => failed.push(format!("{damage:?}: {panic}")),
        }
    }
    println!("{happened} damages");
    assert!(failed.is_empty(), "{} damages were not survived: {failed:#?}", failed.len());
    assert!(happened > 250, "only {happened} damages could be done");
}
