//! A whole backend in one database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use workflow_core::adapter::{Backend, BackendError, Clock};
use workflow_core::memory::{InProcessScheduler, InProcessStreamer};

use super::clock::StampClock;
use super::connect::{Limits, Place};
use super::store::{PostgresStore, Settings};
use crate::TableNames;
use crate::schema::Order;

/// How many connections there are if nothing else is said.
const CONNECTIONS_MAX: u32 = 10;

/// How long a caller waits for a free connection if nothing else is said.
const ACQUIRE: Duration = Duration::from_secs(30);

/// How long a statement may take if nothing else is said.
const STATEMENT: Duration = Duration::from_secs(5);

/// How long a statement waits for a lock if nothing else is said.
const LOCK: Duration = Duration::from_secs(2);

/// How long a transaction may be idle if nothing else is said: less than a lease, so that a frozen owner holds up nobody.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);

/// The largest object that is taken if nothing else is said, in bytes.
const OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a change of another process may stay unseen if nothing else is said.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// A backend in one PostgreSQL database (15 or later). Clones share everything.
///
/// One process at a time runs workflows on it; others may trigger, call back, pause and read.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use store_sql::Postgres;
/// let backend = Postgres::connect("postgres://user:password@localhost/orders").await?;
/// println!("{}", backend.store().place());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Postgres {
    store: PostgresStore,
    backend: Backend,
}

impl Postgres {
    /// Connects to a database by its address, and makes the tables if they are not there.
    ///
    /// # Errors
    /// If the address cannot be read, the server cannot be reached or refuses the login, it is older than PostgreSQL 15,
    /// or the tables were made by a newer version of this program that does not tolerate this one.
    pub async fn connect(url: &str) -> Result<Self, BackendError> {
        PostgresOptions::new().connect(url).await
    }

    /// Settings other than the defaults.
    pub fn options() -> PostgresOptions {
        PostgresOptions::new()
    }

    /// The store alone.
    pub fn store(&self) -> &PostgresStore {
        &self.store
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("place", &self.store.place()).finish_non_exhaustive()
    }
}

impl From<Postgres> for Backend {
    fn from(postgres: Postgres) -> Self {
        postgres.backend
    }
}

impl From<&Postgres> for Backend {
    fn from(postgres: &Postgres) -> Self {
        postgres.backend.clone()
    }
}

/// How a database is connected to.
///
/// Time limits are the server's own, and hold for a user's attached work, too.
///
/// ```
/// use std::time::Duration;
/// use store_sql::Postgres;
/// let options = Postgres::options().connections_max(20).statement_timeout(Duration::from_secs(30));
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    pub(super) limits: Limits,
    pub(super) settings: Settings,
    pub(super) clock: StampClock,
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
    Limits {
        connections_max: CONNECTIONS_MAX,
        acquire: ACQUIRE,
        statement: STATEMENT,
        lock: LOCK,
        idle_in_transaction: IDLE_IN_TRANSACTION,
    }
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        let limits = limits();
        let settings = Settings { object_bytes_max: OBJECT_BYTES_MAX, poll_every: POLL_EVERY };
        Self {
            limits,
            settings,
            clock: StampClock::default(),
            tables: TableNames::default(),
            order: Order::default(),
            migrate: true,
        }
    }

    /// How many connections there are at most, beside the one that an engine holds; 10 by default, and 3 at least.
    pub fn connections_max(mut self, connections: u32) -> Self {
        // Two committers and a reader.
        self.limits.connections_max = connections.max(3);
        self
    }

    /// How long a caller waits for a free connection; 30 s by default.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.limits.acquire = timeout;
        self
    }

    /// How long a statement may take; 5 s by default. A commit is never cut short.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.limits.statement = timeout;
        self
    }

    /// How long a statement waits for a lock; 2 s by default.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.limits.lock = timeout;
        self
    }

    /// How long a transaction may be idle; 5 s by default. Then the server ends its session, so that a process that is
    /// frozen in the middle of a transaction holds up no successor.
    pub fn idle_in_transaction_timeout(mut self, timeout: Duration) -> Self {
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

    /// Tables with other names than the default ones; see [`TableNames`].
    pub fn tables(mut self, names: TableNames) -> Self {
        self.tables = names;
        self
    }

    /// Refuses a database whose tables are not there or are too old, instead of making them.
    pub fn existing(mut self) -> Self {
        self.migrate = false;
        self
    }

    /// Connects to a database by its address.
    ///
    /// # Errors
    /// As [`Postgres::connect`].
    pub async fn connect(self, url: &str) -> Result<Postgres, BackendError> {
        let place = Place::parse(url, self.limits)?;
        self.connect_to(place).await
    }

    /// Connects to a database with the driver's own options.
    ///
    /// # Errors
    /// As [`Postgres::connect`].
    pub async fn connect_with(self, options: PgConnectOptions) -> Result<Postgres, BackendError> {
        let place = Place::new(options, self.limits);
        self.connect_to(place).await
    }

    async fn connect_to(self, place: Place) -> Result<Postgres, BackendError> {
        let statements = self.statements()?;
        self.ready(&place, &statements).await?;
        let store = self.store(&place, &statements);
        let backend = Backend::new(store.clone(), InProcessStreamer::new(), InProcessScheduler::new());
        Ok(Postgres { store, backend })
    }
}
