//! The store over a SQLite file passes the suite of stores.
#![allow(missing_docs, clippy::unwrap_used)]

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use store_sql::sqlite::SqliteStore;
use store_sql::{Sqlite, TableNames};
use tempfile::TempDir;
use workflow_conformance::engine::Patience;
use workflow_conformance::samples::start;
use workflow_conformance::store::{Planted, StoreFixture};
use workflow_core::RunId;

/// What the tables of a store are called.
trait Named: Send + Sync + 'static {
    fn names() -> TableNames;

    /// Whether they have the guard.
    const GUARDED: bool = false;
}

/// As they are called if nothing else is said.
struct Default;

impl Named for Default {
    fn names() -> TableNames {
        TableNames::default()
    }
}

/// The same with the guard.
struct Guarded;

impl Named for Guarded {
    fn names() -> TableNames {
        TableNames::default()
    }

    const GUARDED: bool = true;
}

/// Otherwise, beside the tables of another store that is used.
struct Renamed;

impl Named for Renamed {
    fn names() -> TableNames {
        TableNames::new("runs", "events").unwrap().with_prefix("shop_").unwrap()
    }
}

/// A store over a file in a folder of its own.
struct File<N> {
    folder: TempDir,
    store: Arc<SqliteStore>,
    named: PhantomData<N>,
}

impl<N: Named> File<N> {
    async fn in_folder(folder: TempDir) -> Self {
        let store = open::<N>(&folder.path().join("runs.db")).await;
        Self { folder, store, named: PhantomData }
    }

    /// A connection to the file that the store knows nothing of.
    async fn beside(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.store.file());
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

async fn open<N: Named>(file: &Path) -> Arc<SqliteStore> {
    Arc::new(Sqlite::options().tables(N::names()).guard(N::GUARDED).open(file).await.unwrap().store().clone())
}

impl<N: Named> StoreFixture for File<N> {
    type Store = SqliteStore;

    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if N::names() != TableNames::default() {
            let other = open::<Default>(&folder.path().join("runs.db")).await;
            start(&*other, "order-1").await;
            start(&*other, "order-2").await;
        }
        Self::in_folder(folder).await
    }

    fn store(&self) -> Arc<SqliteStore> {
        Arc::clone(&self.store)
    }

    async fn second(&self) -> Arc<SqliteStore> {
        open::<N>(self.store.file()).await
    }

    async fn reopen(self) -> Self {
        let Self { folder, store, .. } = self;
        assert_eq!(Arc::strong_count(&store), 1, "the test has kept a handle");
        drop(store);
        until_closed(folder.path()).await;
        Self::in_folder(folder).await
    }

    async fn plant(&self, row: Planted) -> bool {
        let mut connection = self.beside().await;
        let text = format!(
            "insert into {} (id, workflow_name, data, created_at) values (?, ?, ?, 0)",
            N::names().outbox()
        );
        sqlx::query(AssertSqlSafe(text))
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
        if N::GUARDED {
            sqlx::raw_sql("drop trigger workflow_records_guard").execute(&mut connection).await.unwrap();
        }
        let text = format!("update {} set status = -5 where run_id = ?", N::names().records());
        let spoilt =
            sqlx::query(AssertSqlSafe(text)).bind(run_id.to_string()).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        spoilt.rows_affected() == 1
    }
}

/// Waits until this process has no file of the folder open any more: connections are closed by threads of their own.
async fn until_closed(folder: &Path) {
    if !Path::new("/proc/self/fd").exists() {
        return;
    }
    let patience = Patience::begin();
    loop {
        let is_last = patience.is_over();
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let mut targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        if !targets.any(|target| target.starts_with(folder)) {
            return;
        }
        assert!(!is_last, "a file of {} is still open though every handle was dropped", folder.display());
        tokio::task::yield_now().await;
    }
}

workflow_conformance::store_suite!(File<Default>);
workflow_conformance::relay_suite!(File<Default>);

mod guarded {
    use super::*;
    workflow_conformance::store_suite!(File<Guarded>);
    workflow_conformance::relay_suite!(File<Guarded>);
}

mod renamed {
    use super::*;
    workflow_conformance::store_suite!(File<Renamed>);
    workflow_conformance::relay_suite!(File<Renamed>);
}

/// A store whose process is killed instead of ending: what is opened again are the files as they stood at that moment.
struct Killed(File<Default>);

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
