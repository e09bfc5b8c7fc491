//! One handle over whichever database a connection string names.

pub(crate) mod identity;
mod migrate;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::{Backend, BackendError, Clock, ErrorKind, EventStreamer, RoleScheduler};

use crate::TableNames;
use crate::config::{Dsn, PoolOptions};
use crate::schema::Order;

/// A backend in the database that a connection string names, whatever kind it is of. Clones share everything.
///
/// For programs whose users choose the database, as by a `--database` flag. What is asked of every kind alike is asked
/// here; what one kind alone can do is in the handle that a variant holds. There is a variant for each kind that is
/// compiled in (features `mysql`, `postgres` and `sqlite`).
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("orders.db");
/// use store_sql::Database;
/// use workflow_core::adapter::Backend;
/// let database = Database::connect(&format!("sqlite:{}", file.display())).await?;
/// assert!(database.place().ends_with("orders.db"));
/// let backend: Backend = database.into();
/// # let _ = backend;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Database {
    /// A MariaDB or MySQL server.
    #[cfg(feature = "mysql")]
    MySql(crate::MySql),
    /// A PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres(crate::Postgres),
    /// A SQLite file.
    #[cfg(feature = "sqlite")]
    Sqlite(crate::Sqlite),
}

impl Database {
    /// Connects to the database that a connection string (see [`Dsn`]) names, and makes its tables if they are not there.
    ///
    /// # Errors
    /// If the string cannot be used, its kind of database is not compiled into this program, the database cannot be
    /// reached or refuses the login, or its tables were made by a newer version of this program that does not tolerate
    /// this one.
    pub async fn connect(url: &str) -> Result<Self, BackendError> {
        Self::options().connect(url).await
    }

    /// Rings the relays of this database from now on, whenever this handle or a backend made of it has stored something for
    /// them. For programs whose outbox is published by relays in processes of their own; must be called on a runtime.
    pub fn ring_relays(&self) {
        match self {
            #[cfg(feature = "mysql")]
            Database::MySql(mysql) => mysql.store().ring_relays(),
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.store().ring_relays(),
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.store().ring_relays(),
        }
    }

    /// Settings other than the defaults.
    pub fn options() -> DatabaseOptions {
        DatabaseOptions::new()
    }

    /// Where the database is, in messages: without the password.
    pub fn place(&self) -> String {
        match self {
            #[cfg(feature = "mysql")]
            Database::MySql(mysql) => mysql.database().to_owned(),
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.database().to_owned(),
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.file().display().to_string(),
        }
    }
}

impl Database {
    /// A backend of this database with a streamer and a scheduler of their own: those that several processes share.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = format!("sqlite:{}", folder.path().join("orders.db").display());
    /// use store_sql::Database;
    /// use workflow_core::memory::{InProcessScheduler, InProcessStreamer};
    /// let database = Database::connect(&url).await?;
    /// let backend = database.backend_with(InProcessStreamer::new(), InProcessScheduler::new());
    /// # let _ = backend;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backend_with(&self, streamer: impl EventStreamer, scheduler: impl RoleScheduler) -> Backend {
        match self {
            #[cfg(feature = "mysql")]
            Database::MySql(mysql) => Backend::new(mysql.store().clone(), streamer, scheduler),
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => Backend::new(postgres.store().clone(), streamer, scheduler),
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => Backend::new(sqlite.store().clone(), streamer, scheduler),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.place())
    }
}

impl From<&Database> for Backend {
    fn from(database: &Database) -> Self {
        match database {
            #[cfg(feature = "mysql")]
            Database::MySql(mysql) => mysql.into(),
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.into(),
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.into(),
        }
    }
}

impl From<Database> for Backend {
    fn from(database: Database) -> Self {
        Self::from(&database)
    }
}

/// How a database of any kind is connected to: what the kinds have in common.
///
/// ```
/// use std::time::Duration;
/// use store_sql::Database;
/// use store_sql::config::PoolOptions;
/// let options = Database::options()
///     .pool(PoolOptions::new().max_open(50))
///     .poll_every(Duration::from_millis(200));
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
pub struct DatabaseOptions {
    pool: Option<PoolOptions>,
    clock: Option<Arc<dyn Clock>>,
    poll_every: Option<Duration>,
    object_bytes_max: Option<usize>,
    tables: TableNames,
    replica: Option<String>,
    only_existing: bool,
    order: Order,
}

impl DatabaseOptions {
    /// The defaults, which are those of each kind.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections to a server there are, and how long they and their statements may take. A file has one
    /// connection that writes and a few that read, whatever is said here.
    pub fn pool(mut self, pool: PoolOptions) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Takes the time from another clock, as that of a test.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long a change of another process may stay unseen; 1 s by default.
    pub fn poll_every(mut self, ceiling: Duration) -> Self {
        self.poll_every = Some(ceiling);
        self
    }

    /// The largest object that is taken, in bytes of JSON.
    pub fn object_bytes_max(mut self, bytes: usize) -> Self {
        self.object_bytes_max = Some(bytes);
        self
    }

    /// Reads lists, histories and dead letters from a replica of the server by its connection string: it may lag, and
    /// nothing that a write is decided by is read from it. A file has none.
    pub fn replica(mut self, url: impl Into<String>) -> Self {
        self.replica = Some(url.into());
        self
    }

    /// Tables with other names than the default ones; see [`TableNames`].
    pub fn tables(mut self, names: TableNames) -> Self {
        self.tables = names;
        self
    }

    /// Refuses a database without its tables, instead of making them.
    pub fn without_migrating(mut self) -> Self {
        self.only_existing = true;
        self
    }

    /// Connects to the database that a connection string names.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub async fn connect(self, url: &str) -> Result<Database, BackendError> {
        let wrong =
            |error| BackendError::with_source(ErrorKind::Permanent, format!("connect: {error}"), error);
        let dsn: Dsn = url.parse().map_err(wrong)?;
        self.connect_to(&dsn).await
    }

    /// Connects to the database that a connection string named, for programs that change what they have read: the
    /// password may come from a file.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub async fn connect_to(self, dsn: &Dsn) -> Result<Database, BackendError> {
        match dsn {
            #[cfg(feature = "mysql")]
            Dsn::MySql(dsn) => self.mysql().connect_to(dsn).await.map(Database::MySql),
            #[cfg(feature = "postgres")]
            Dsn::Postgres(dsn) => self.postgres().connect_to(dsn).await.map(Database::Postgres),
            #[cfg(feature = "sqlite")]
            Dsn::Sqlite(dsn) => self.sqlite(dsn)?.open(&dsn.file).await.map(Database::Sqlite),
            #[cfg(not(all(feature = "mysql", feature = "postgres", feature = "sqlite")))]
            other => Err(refuse(other)),
        }
    }

    #[cfg(feature = "mysql")]
    fn mysql(self) -> crate::MySqlOptions {
        let mut options = crate::MySql::options().tables(self.tables);
        options.order = self.order;
        if let Some(replica) = self.replica {
            options = options.replica(replica);
        }
        if let Some(pool) = self.pool {
            options = options.pool(pool);
        }
        if let Some(clock) = self.clock {
            options = options.clock(clock);
        }
        if let Some(ceiling) = self.poll_every {
            options = options.poll_every(ceiling);
        }
        if let Some(bytes) = self.object_bytes_max {
            options = options.object_bytes_max(bytes);
        }
        if self.only_existing {
            options = options.without_migrating();
        }
        options
    }

    #[cfg(feature = "postgres")]
    fn postgres(self) -> crate::PostgresOptions {
        let mut options = crate::Postgres::options().tables(self.tables);
        options.order = self.order;
        if let Some(replica) = self.replica {
            options = options.replica(replica);
        }
        if let Some(pool) = self.pool {
            options = options.pool(pool);
        }
        if let Some(clock) = self.clock {
            options = options.clock(clock);
        }
        if let Some(ceiling) = self.poll_every {
            options = options.poll_every(ceiling);
        }
        if let Some(bytes) = self.object_bytes_max {
            options = options.object_bytes_max(bytes);
        }
        if self.only_existing {
            options = options.without_migrating();
        }
        options
    }

    #[cfg(feature = "sqlite")]
    fn sqlite(self, dsn: &crate::config::SqliteDsn) -> Result<crate::SqliteOptions, BackendError> {
        if self.replica.is_some() {
            let context = format!("connect to {}: a file has no replica", dsn.file.display());
            return Err(BackendError::new(ErrorKind::Permanent, context));
        }
        let mut options = crate::Sqlite::options().tables(self.tables);
        options.order = self.order;
        if !dsn.create {
            options = options.existing();
        }
        if let Some(clock) = self.clock {
            options = options.clock(clock);
        }
        if let Some(ceiling) = self.poll_every {
            options = options.poll_every(ceiling);
        }
        if let Some(bytes) = self.object_bytes_max {
            options = options.object_bytes_max(bytes);
        }
        if self.only_existing {
            options = options.without_migrating();
        }
        Ok(options)
    }
}

impl fmt::Debug for DatabaseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseOptions").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// What a program says that was built without a kind of database.
#[cfg(any(test, not(all(feature = "mysql", feature = "postgres", feature = "sqlite"))))]
pub(crate) fn refuse(dsn: &Dsn) -> BackendError {
    let (kind, feature) = match dsn {
        Dsn::MySql(_) => ("MariaDB and MySQL", "mysql"),
        Dsn::Postgres(_) => ("PostgreSQL", "postgres"),
        Dsn::Sqlite(_) => ("SQLite", "sqlite"),
    };
    let context = format!(
        "connect to {dsn}: this program was built without {kind}: build it with the feature `{feature}`"
    );
    BackendError::new(ErrorKind::Permanent, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_not_compiled_in_is_named_with_its_feature() {
        let dsn: Dsn = "postgres://me:secret@db/orders".parse().expect("it is well formed");
        let error = refuse(&dsn).to_string();
        assert!(error.contains("without PostgreSQL") && error.contains("`postgres`"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
