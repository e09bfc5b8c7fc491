//! Connections to a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};
use workflow_core::adapter::{BackendError, ErrorKind};

use super::error::wrap;

/// How long a statement waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many statements a connection keeps prepared: each kind in each of its sizes.
const STATEMENTS_MAX: usize = 400;

/// How much of the file the writer keeps in memory, in KiB.
const WRITER_CACHE_KIB: u32 = 64 * 1024;

/// After how many pages of log SQLite copies them into the file.
const CHECKPOINT_PAGES: u32 = 4000;

/// Where a database is and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: PathBuf,
    synchronous: SqliteSynchronous,
    create: bool,
}

impl Place {
    pub(super) fn new(file: PathBuf, synchronous: SqliteSynchronous, create: bool) -> Self {
        Self { file, synchronous, create }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn wrap(&self, what: &str, error: sqlx::Error) -> BackendError {
        wrap(what, &self.file, error)
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.file)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS_MAX)
            .foreign_keys(false)
    }

    /// How readers connect; the file is there already.
    pub(super) fn reader(&self) -> SqliteConnectOptions {
        self.options().read_only(true)
    }

    /// The one connection that writes.
    pub(super) async fn writer(&self) -> Result<SqliteConnection, BackendError> {
        self.check()?;
        let options = self
            .options()
            .create_if_missing(self.create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(self.synchronous)
            .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string());
        SqliteConnection::connect_with(&options).await.map_err(|error| self.wrap("open", error))
    }

    fn check(&self) -> Result<(), BackendError> {
        let refuse = |why: String| Err(BackendError::new(ErrorKind::Permanent, why));
        let name = self.file.to_string_lossy();
        if name.is_empty() || name.starts_with(":memory:") {
            return refuse(format!(
                "{name:?} is no file: use the backend in memory if nothing is to be kept"
            ));
        }
        match std::fs::metadata(&self.file) {
            Ok(found) if found.is_dir() => refuse(format!("{name} is a folder: name a file in it")),
            Ok(found) if found.permissions().readonly() => {
                refuse(format!("{name} is read-only: make it and its folder writable"))
            }
            _ => Ok(()),
        }
    }
}
