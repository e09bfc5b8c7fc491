//! The store over a SQLite file passes the suite of stores.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use store_sql::Sqlite;
use store_sql::sqlite::SqliteStore;
use tempfile::TempDir;
use workflow_conformance::store::{Planted, StoreFixture};
use workflow_core::RunId;

/// A store over a file in a folder of its own.
struct File {
    folder: TempDir,
    store: Arc<SqliteStore>,
}

impl File {
    async fn in_folder(folder: TempDir) -> Self {
        let store = open(&folder.path().join("runs.db")).await;
        Self { folder, store }
    }

    /// A connection to the file that the store knows nothing of.
    async fn beside(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.store.file());
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

async fn open(file: &Path) -> Arc<SqliteStore> {
    Arc::new(Sqlite::open(file).await.unwrap().store().clone())
}

impl StoreFixture for File {
    type Store = SqliteStore;

    async fn fresh() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap()).await
    }

    fn store(&self) -> Arc<SqliteStore> {
        Arc::clone(&self.store)
    }

    async fn second(&self) -> Arc<SqliteStore> {
        open(self.store.file()).await
    }

    async fn reopen(self) -> Self {
        let Self { folder, store } = self;
        assert_eq!(Arc::strong_count(&store), 1, "the test has kept a handle");
        drop(store);
        until_closed(folder.path()).await;
        Self::in_folder(folder).await
    }

    async fn plant(&self, row: Planted) -> bool {
        let mut connection = self.beside().await;
        sqlx::query("insert into workflow_outbox (id, workflow_name, data, created_at) values (?, ?, ?, 0)")
            .bind(row.id)
            .bind(row.workflow_name)
            .bind(row.data.map(|data| data.to_vec()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        true
    }

    async fn spoil(&self, run_id: RunId) -> bool {
        let mut connection = self.beside().await;
        let spoilt = sqlx::query("update workflow_records set status = -5 where run_id = ?")
            .bind(run_id.to_string())
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        spoilt.rows_affected() == 1
    }
}

/// Waits until this process has no file of the folder open any more: connections are closed by threads of their own.
async fn until_closed(folder: &Path) {
    if !Path::new("/proc/self/fd").exists() {
        return;
    }
    for _ in 0..100_000 {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let mut targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        if !targets.any(|target| target.starts_with(folder)) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("a file of {} is still open though every handle was dropped", folder.display());
}

workflow_conformance::store_suite!(File);

/// A store whose process is killed instead of ending: what is opened again are the files as they stood at that moment.
struct Killed(File);

impl StoreFixture for Killed {
    type Store = SqliteStore;

    async fn fresh() -> Self {
        Self(File::fresh().await)
    }

    fn store(&self) -> Arc<SqliteStore> {
        self.0.store()
    }

    async fn reopen(self) -> Self {
        let left = tempfile::tempdir().unwrap();
        for name in ["runs.db", "runs.db-wal"] {
            std::fs::copy(self.0.folder.path().join(name), left.path().join(name)).unwrap();
        }
        Self(File::in_folder(left).await)
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_kill() {
    workflow_conformance::store::durable(Killed::fresh().await).await;
    workflow_conformance::store::a_crash_between_commit_and_publish_loses_no_row(Killed::fresh().await).await;
}
