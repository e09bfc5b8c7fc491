//! Connections to a file.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};
use workflow_core::adapter::{BackendError, ErrorKind};

use super::error::{is_busy, wrap};
use crate::TableNames;
use crate::config::SqliteDsn;
use crate::names::{Keys, Statements};

/// A connection with the names of the tables.
pub(super) type Conn<'c> = crate::conn::Conn<'c, SqliteConnection>;

/// How long a statement waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a fresh file is tried, and how long between: turning its log on wants the file alone for a moment, and does
/// not wait for it as statements do.
const OPEN_TRIES: u32 = 200;
const OPEN_WAIT: Duration = Duration::from_millis(50);

/// How many statements a connection keeps prepared: each kind in each of its sizes.
const STATEMENTS_MAX: usize = 400;

/// How much of the file the writer keeps in memory, in KiB.
const WRITER_CACHE_KIB: u32 = 64 * 1024;

/// After how many pages of log SQLite copies them into the file.
const CHECKPOINT_PAGES: u32 = 4000;

/// What tells files apart that have one name after the other.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity_of(file: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(file).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity_of(_: &Path) -> Option<Identity> {
    // Such systems do not let an open file be deleted.
    None
}

/// How long the log may stay once its pages are copied: a long reader can make it grow beyond that for a while.
const LOG_BYTES_MAX: u32 = 32 * 1024 * 1024;

/// Where a database is and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: PathBuf,
    /// Which file it was when it was opened first.
    identity: OnceLock<Identity>,
    synchronous: SqliteSynchronous,
    create: bool,
}

impl Place {
    pub(super) fn new(file: PathBuf, synchronous: SqliteSynchronous, create: bool) -> Self {
        Self { file, identity: OnceLock::new(), synchronous, create }
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

    /// Notes which file is there, once the tables are.
    pub(super) fn remember(&self) {
        if let Some(identity) = identity_of(&self.file) {
            // The first one is it.
            let _ = self.identity.set(identity);
        }
    }

    /// Refuses to go on with a file that has been deleted or replaced: SQLite would write into what nobody finds again.
    pub(super) fn is_still_there(&self) -> Result<(), BackendError> {
        if self.identity.get().is_none_or(|opened| identity_of(&self.file).as_ref() == Some(opened)) {
            return Ok(());
        }
        let context = format!(
            "{} was deleted or replaced while it was open: put it back, or stop this program",
            self.file.display()
        );
        Err(BackendError::new(ErrorKind::Permanent, context))
    }

    /// How readers connect; the file is there already.
    pub(super) fn reader(&self) -> SqliteConnectOptions {
        self.options().read_only(true)
    }

    /// The one connection that writes.
    pub(super) async fn writer(&self) -> Result<SqliteConnection, BackendError> {
        self.check()?;
        self.is_still_there()?;
        let options = self
            .options()
            .create_if_missing(self.create && self.identity.get().is_none())
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(self.synchronous)
            .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
            .pragma("journal_size_limit", LOG_BYTES_MAX.to_string())
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string());
        for _ in 0..OPEN_TRIES {
            match SqliteConnection::connect_with(&options).await {
                Err(error) if is_busy(&error) => tokio::time::sleep(OPEN_WAIT).await,
                opened => return opened.map_err(|error| self.wrap("open", error)),
            }
        }
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
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.create => {
                refuse(format!("there is no file {name}: name one that is there, or have it made"))
            }
            Ok(found) if found.is_dir() => refuse(format!("{name} is a folder: name a file in it")),
            Ok(found) if found.permissions().readonly() => {
                refuse(format!("{name} is read-only: make it and its folder writable"))
            }
            _ => Ok(()),
        }
    }
}

/// The version of the tables in a file; a file that is not there has none, and is not made.
pub(crate) async fn schema_version(
    dsn: &SqliteDsn,
    names: &TableNames,
) -> Result<Option<(i64, i64)>, BackendError> {
    let file = std::path::absolute(&dsn.file).unwrap_or_else(|_| dsn.file.clone());
    let place = Place::new(file, SqliteSynchronous::Full, false);
    if !place.file.exists() {
        return Ok(None);
    }
    place.check()?;
    let connected = SqliteConnection::connect_with(&place.reader()).await;
    let mut connection = connected.map_err(|error| place.wrap("open", error))?;
    let statements = Statements::new(names.clone(), Keys::Plain);
    let found = super::schema::version(&mut Conn::new(&mut connection, &statements), &place).await;
    // Nothing depends on how the connection ends.
    let _ = connection.close().await;
    found
}
