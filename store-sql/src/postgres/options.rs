//! How a database is connected to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::{BackendError, Clock, ErrorKind};

use super::clock::StampClock;
use super::connect::{Access, Limits, Place};
use super::display::Display;
use super::handle::Postgres;
use super::store::{PostgresStore, Settings};
use super::transaction::Database;
use crate::TableNames;
use crate::config::{Dsn, PoolOptions, PostgresDsn};
use crate::schema::Order;

/// How long a statement waits for a lock if nothing else is said.
const LOCK: Duration = Duration::from_secs(2);

/// How long a transaction may be idle if nothing else is said: less than a lease, so that a frozen owner holds up nobody.
const IDLE_TRANSACTION: Duration = Duration::from_secs(5);

/// The largest object that is taken if nothing else is said, in bytes.
const OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a change of another process may stay unseen if nothing else is said.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// How long a replica is waited for, as the primary can be asked as well.
const REPLICA_WAIT: Duration = Duration::from_secs(2);

/// Settings other than the defaults.
///
/// Time limits are the server's own, and hold for a user's attached work, too.
///
/// ```
/// use std::time::Duration;
/// use store_sql::Postgres;
/// use store_sql::config::PoolOptions;
/// let options = Postgres::options()
///     .pool(PoolOptions::new().max_open(50).statement_timeout(Duration::from_secs(30)))
///     .poll_every(Duration::from_millis(200));
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) pool: PoolOptions,
    pub(super) limits: Limits,
    pub(super) settings: Settings,
    pub(super) clock: StampClock,
    replica: Option<String>,
    pub(super) tables: TableNames,
    pub(crate) order: Order,
    pub(super) migrate: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// The limits if nothing else is said.
pub(super) fn limits() -> Limits {
    Limits { lock: LOCK, idle_in_transaction: IDLE_TRANSACTION }
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            pool: PoolOptions::new(),
            limits: limits(),
            settings: Settings { object_bytes_max: OBJECT_BYTES_MAX, poll_every: POLL_EVERY },
            clock: StampClock::default(),
            replica: None,
            tables: TableNames::default(),
            order: Order::default(),
            migrate: true,
        }
    }

    /// How many connections there are beside the one that an engine holds, and how long they and their statements may
    /// take. A commit is never cut short.
    pub fn pool(mut self, pool: PoolOptions) -> Self {
        self.pool = pool;
        self
    }

    /// How long a statement waits for a lock; 2 s by default.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.limits.lock = timeout;
        self
    }

    /// After how long the server ends a transaction that lies idle, 5 s by default, so that a process that is frozen in
    /// the middle of one holds up no successor.
    pub fn idle_transaction_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_in_transaction = timeout;
        self
    }

    /// Takes the time from another clock than the server's, for tests: it alone then decides how instants are stamped
    /// and what is due.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = StampClock::given(clock);
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

    /// Reads lists, histories and dead letters, which are for people to look at, from a replica by its connection
    /// string. It may lag, and it may be away: then the primary is asked. Nothing that a write is decided by is ever
    /// read from it.
    pub fn replica(mut self, url: impl Into<String>) -> Self {
        self.replica = Some(url.into());
        self
    }

    /// Tables with other names than the default ones; see [`TableNames`].
    pub fn tables(mut self, names: TableNames) -> Self {
        self.tables = names;
        self
    }

    /// Refuses a database whose tables are not there or are too old, instead of making them.
    pub fn without_migrating(mut self) -> Self {
        self.migrate = false;
        self
    }

    /// Connects to a database by its connection string, and makes its tables if they are not there.
    ///
    /// # Errors
    /// As [`Postgres::connect`].
    pub async fn connect(self, url: &str) -> Result<Postgres, BackendError> {
        let dsn = parse(url)?;
        self.connect_to(&dsn).await
    }

    /// Connects to a database whose connection string has been read already.
    ///
    /// # Errors
    /// As [`Postgres::connect`].
    pub async fn connect_to(self, dsn: &PostgresDsn) -> Result<Postgres, BackendError> {
        let place = self.place(dsn)?;
        let replica = self.replica.as_deref().map(parse).transpose()?;
        let replica = replica.map(|dsn| replica_at(dsn, self.pool, self.limits));
        let statements = self.statements()?;
        self.ready(&place, &statements).await?;
        let pool = place.pool().await?;
        let database = Database::new(pool, Arc::new(place), self.clock, statements);
        let display = Display::new(database.clone(), replica);
        Ok(Postgres::new(PostgresStore::new(database, display, self.settings)))
    }

    /// Where the database is, if everything that was said can be.
    pub(super) fn place(&self, dsn: &PostgresDsn) -> Result<Place, BackendError> {
        self.pool.check().and_then(|()| dsn.tls.check_files()).map_err(wrong)?;
        Ok(Place::new(dsn.clone(), self.pool, self.limits, Access::Write))
    }
}

fn replica_at(dsn: PostgresDsn, pool: PoolOptions, limits: Limits) -> Place {
    let wait = pool.acquire_timeout_or(dsn.connect_timeout).min(REPLICA_WAIT);
    Place::new(dsn, pool.acquire_timeout(wait), limits, Access::Read)
}

fn wrong(error: crate::config::DsnError) -> BackendError {
    BackendError::with_source(ErrorKind::Permanent, format!("connect: {error}"), error)
}

pub(super) fn parse(url: &str) -> Result<PostgresDsn, BackendError> {
    match url.parse().map_err(wrong)? {
        Dsn::Postgres(dsn) => Ok(dsn),
        dsn @ (Dsn::MySql(_) | Dsn::Sqlite(_)) => {
            let context = format!("connect to {dsn}: this is the store for PostgreSQL");
            Err(BackendError::new(ErrorKind::Permanent, context))
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions").field("pool", &self.pool).finish_non_exhaustive()
    }
}
