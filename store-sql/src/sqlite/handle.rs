//! A whole backend in one file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqlitePoolOptions, SqliteSynchronous};
use workflow_core::adapter::{Backend, BackendError, Clock, ErrorKind, SystemClock};
use workflow_core::memory::{InProcessScheduler, InProcessStreamer};

use super::open::Conn;
use super::schema;
use super::store::{Settings, SqliteStore};
use super::writer::Writer;
use crate::TableNames;
use crate::config::PoolOptions;
use crate::schema::Order;

/// How many queries can be answered side by side.
const READERS_MAX: u32 = 4;

/// The largest object that is taken if nothing else is said, in bytes.
const OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a change of another process may stay unseen if nothing else is said.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// A backend in one SQLite file: durable, with nothing to install. Clones share everything.
///
/// One process at a time runs workflows on a file; others may trigger, call back, pause and read.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("orders.db");
/// use store_sql::Sqlite;
/// let backend = Sqlite::open(file).await?;
/// assert!(backend.file().ends_with("orders.db"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Sqlite {
    store: SqliteStore,
    backend: Backend,
}

impl Sqlite {
    /// Opens a file, and makes it and its tables if they are not there.
    ///
    /// # Errors
    /// If the file cannot be opened or written, is no database, or was made by a newer version of this program that
    /// does not tolerate this one.
    pub async fn open(file: impl AsRef<Path>) -> Result<Self, BackendError> {
        SqliteOptions::new().open(file).await
    }

    /// Settings other than the defaults.
    pub fn options() -> SqliteOptions {
        SqliteOptions::new()
    }

    /// The store alone.
    pub fn store(&self) -> &SqliteStore {
        &self.store
    }

    /// The file.
    pub fn file(&self) -> &Path {
        self.store.file()
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("file", &self.file()).finish_non_exhaustive()
    }
}

impl From<Sqlite> for Backend {
    fn from(sqlite: Sqlite) -> Self {
        sqlite.backend
    }
}

impl From<&Sqlite> for Backend {
    fn from(sqlite: &Sqlite) -> Self {
        sqlite.backend.clone()
    }
}

/// How a file is opened.
///
/// ```
/// use std::time::Duration;
/// use store_sql::Sqlite;
/// let options = Sqlite::options().poll_every(Duration::from_millis(200)).object_bytes_max(1 << 20);
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct SqliteOptions {
    pub(super) synchronous: SqliteSynchronous,
    pub(super) create: bool,
    pub(super) tables: TableNames,
    pub(crate) order: Order,
    pub(super) migrate: bool,
    clock: Arc<dyn Clock>,
    readers: PoolOptions,
    settings: Settings,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl SqliteOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            synchronous: SqliteSynchronous::Full,
            create: true,
            tables: TableNames::default(),
            order: Order::default(),
            migrate: true,
            clock: Arc::new(SystemClock::new()),
            readers: PoolOptions::new().max_open(READERS_MAX).min_idle(0),
            settings: Settings { object_bytes_max: OBJECT_BYTES_MAX, poll_every: POLL_EVERY },
        }
    }

    /// Answers a commit before it is on disk: a power failure may lose the last ones, the end of the process does not.
    pub fn relaxed(mut self) -> Self {
        self.synchronous = SqliteSynchronous::Normal;
        self
    }

    /// Refuses a file that is not there, instead of making it.
    pub fn existing(mut self) -> Self {
        self.create = false;
        self
    }

    /// Tables with other names than the default ones; see [`TableNames`].
    pub fn tables(mut self, names: TableNames) -> Self {
        self.tables = names;
        self
    }

    /// Refuses a file without its tables, instead of making them, and one that is not there.
    pub fn without_migrating(mut self) -> Self {
        self.create = false;
        self.migrate = false;
        self
    }

    /// Takes the time from another clock, as that of a test:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let file = folder.path().join("orders.db");
    /// use std::sync::Arc;
    /// use store_sql::Sqlite;
    /// use workflow_core::testing::{Kit, ManualClock};
    /// let clock = ManualClock::new();
    /// let sqlite = Sqlite::options().clock(Arc::new(clock.clone())).open(file).await?;
    /// let kit = Kit::on(sqlite.store().clone(), clock);
    /// kit.faults().fail_commits(1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The connections that read: 4 at most by default, made when they are needed. A file has one more that writes, and
    /// nothing that could end a statement, so that a statement timeout is refused.
    pub fn pool(mut self, readers: PoolOptions) -> Self {
        self.readers = readers;
        self
    }

    /// How long a change of another process may stay unseen; 1 s by default.
    pub fn poll_every(mut self, ceiling: Duration) -> Self {
        self.settings.poll_every = ceiling;
        self
    }

    /// The largest object that is taken, in bytes of JSON; 16 MiB by default.
    pub fn object_bytes_max(mut self, bytes: usize) -> Self {
        self.settings.object_bytes_max = bytes;
        self
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub async fn open(self, file: impl AsRef<Path>) -> Result<Sqlite, BackendError> {
        check(&self.readers)?;
        let (place, statements) = self.prepare(file.as_ref())?;
        let mut connection = place.writer().await?;
        schema::open(&mut Conn::new(&mut connection, &statements), &place, self.order, self.migrate).await?;
        place.remember();
        let readers = pool(&self.readers).connect_with(place.reader()).await;
        let readers = readers.map_err(|error| place.wrap("open", error))?;
        let store = SqliteStore::new(
            Writer::start(connection, place, statements),
            readers,
            self.clock,
            self.settings,
        );
        let backend = Backend::new(store.clone(), InProcessStreamer::new(), InProcessScheduler::new());
        Ok(Sqlite { store, backend })
    }
}

fn pool(readers: &PoolOptions) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(readers.max_open)
        .min_connections(readers.min_idle)
        .max_lifetime(readers.max_lifetime)
        .idle_timeout(readers.idle_time)
        .acquire_timeout(readers.acquire_timeout_or(None))
}

fn check(readers: &PoolOptions) -> Result<(), BackendError> {
    readers
        .check()
        .map_err(|error| BackendError::with_source(ErrorKind::Permanent, format!("open: {error}"), error))?;
    match readers.statement_timeout {
        None => Ok(()),
        Some(_) => {
            let context = "open: statement_timeout: no server ends a statement on a file: leave it out";
            Err(BackendError::new(ErrorKind::Permanent, context))
        }
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions").field("settings", &self.settings).finish_non_exhaustive()
    }
}
