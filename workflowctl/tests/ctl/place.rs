//! A folder to work in, a database in it, and the binary.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use store_sql::sqlite::SqliteStore;
use store_sql::{Database, SqliteOptions, TableNames};
use tempfile::TempDir;
use workflow_conformance::samples::{ack_all, completed, start, store_over};
use workflow_core::Record;
use workflow_core::adapter::Store;
use workflow_core::testing::ManualClock;

/// What the binary answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Answer {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            error: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The output of a command that ended with this code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Both what is printed and what is complained of.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.error)
    }
}

/// The binary, with no settings but those that a test gives it.
pub(crate) fn ctl(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workflowctl"));
    let known = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("WORKFLOW"));
    known.for_each(|name| {
        command.env_remove(name);
    });
    command.current_dir(folder).args(args).stdin(Stdio::null());
    command
}

/// A folder with a database in a file, `orders.db`, by a clock that stands still.
pub(crate) struct Place {
    folder: TempDir,
    clock: ManualClock,
    store: SqliteStore,
    url: String,
}

impl Place {
    /// With tables and nothing in them.
    pub(crate) async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.db");
        let clock = ManualClock::new();
        let options = SqliteOptions::new().clock(Arc::new(clock.clone()));
        let store = options.open(&file).await.unwrap().store().clone();
        Self { url: format!("sqlite:{}", file.display()), folder, clock, store }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn store(&self) -> &SqliteStore {
        &self.store
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time).await;
    }

    /// Runs of which each has ended, none with an unsent event.
    pub(crate) async fn ended_runs(&self, runs: usize) {
        for number in 0..runs {
            done(&self.store, &format!("order-{number}")).await;
        }
        ack_all(&self.store).await;
    }

    /// Runs the binary on the database.
    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        Answer::of(&self.command(args).output().unwrap())
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = ctl(self.folder(), args);
        command.env("WORKFLOW_DATABASE_URL", &self.url);
        command
    }

    /// How many runs there are, by their keys.
    pub(crate) fn foreign_ids(&self) -> Vec<String> {
        let page = self.run(&["runs", "list", "--limit", "1000", "--json"]).ended(0).json();
        let id = |run: &Value| run["foreign_id"].as_str().unwrap().to_owned();
        page["runs"].as_array().unwrap().iter().map(id).collect()
    }
}

pub(crate) async fn done(store: &impl Store, foreign_id: &str) -> Arc<Record> {
    let run = start(store, foreign_id).await;
    store_over(store, &run, &completed(&run)).await
}

/// The store of a database, whichever kind it is.
pub(crate) async fn seeded(url: &str, tables: TableNames) -> Arc<Record> {
    match Database::options().tables(tables).connect(url).await.unwrap() {
        Database::MySql(mysql) => seed(mysql.store()).await,
        Database::Postgres(postgres) => seed(postgres.store()).await,
        Database::Sqlite(sqlite) => seed(sqlite.store()).await,
        other => panic!("{other:?}"),
    }
}

/// A run that has ended, one that goes on and has an event that waits, and a dead letter of it.
async fn seed(store: &impl Store) -> Arc<Record> {
    let ended = done(store, "ended").await;
    ack_all(store).await;
    let waits = start(store, "goes on").await;
    crate::letters::set_aside(store, &waits, "orders-1-consumer/x").await;
    ended
}
