//! How a database is connected to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use workflow_core::adapter::{BackendError, Clock, ErrorKind};

use super::display::Display;
use super::handle::MySql;
use super::server::reach;
use super::session::{Access, Waits};
use super::store::{MySqlStore, Settings};
use crate::TableNames;
use crate::config::{Dsn, MySqlDsn, PoolOptions};
use crate::schema::Order;

/// The largest object that is taken if nothing else is said, in bytes.
const OBJECT_BYTES_MAX: usize = 1024 * 1024;

/// How long a change of another process may stay unseen if nothing else is said.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// How long a transaction may lie idle if nothing else is said: well below the time after which a role changes hands.
const IDLE_TRANSACTION: Duration = Duration::from_secs(5);

/// How long a statement waits for a lock if nothing else is said.
const LOCK: Duration = Duration::from_secs(2);

/// Settings other than the defaults.
///
/// ```
/// use std::time::Duration;
/// use store_sql::MySql;
/// use store_sql::config::PoolOptions;
/// let options = MySql::options()
///     .pool(PoolOptions::new().max_open(50).statement_timeout(Duration::from_secs(10)))
///     .poll_every(Duration::from_millis(200));
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct MySqlOptions {
    pub(super) pool: PoolOptions,
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) waits: Waits,
    replica: Option<String>,
    pub(super) poll_every: Duration,
    object_bytes_max: Option<usize>,
    pub(super) single_writer: bool,
    pub(super) tables: TableNames,
    pub(crate) order: Order,
    pub(super) migrate: bool,
}

impl Default for MySqlOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl MySqlOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            pool: PoolOptions::new(),
            clock: None,
            waits: Waits { idle_transaction: IDLE_TRANSACTION, lock: LOCK },
            replica: None,
            poll_every: POLL_EVERY,
            object_bytes_max: None,
            single_writer: false,
            tables: TableNames::default(),
            order: Order::default(),
            migrate: true,
        }
    }

    /// How many connections there are, and how long they and their statements may take.
    pub fn pool(mut self, pool: PoolOptions) -> Self {
        self.pool = pool;
        self
    }

    /// Takes the time from another clock than the server's, for tests: it alone then decides how instants are stamped
    /// and what is due.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// After how long the server ends a transaction that lies idle, 5 s by default. A process that froze in the middle
    /// of one holds its role until then. MySQL has no such limit.
    pub fn idle_transaction_timeout(mut self, timeout: Duration) -> Self {
        self.waits.idle_transaction = timeout;
        self
    }

    /// How long a statement waits for a lock, in whole seconds; 2 s by default.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.waits.lock = timeout;
        self
    }

    /// How long a change of another process may stay unseen; 1 s by default.
    pub fn poll_every(mut self, ceiling: Duration) -> Self {
        self.poll_every = ceiling;
        self
    }

    /// The largest object that is taken, in bytes of JSON: 1 MiB by default, at most half of the server's
    /// `max_allowed_packet`.
    pub fn object_bytes_max(mut self, bytes: usize) -> Self {
        self.object_bytes_max = Some(bytes);
        self
    }

    /// Accepts a node of a Galera cluster: all programs write to this one node.
    pub fn single_writer(mut self) -> Self {
        self.single_writer = true;
        self
    }

    /// Tables with other names than the default ones; see [`TableNames`].
    pub fn tables(mut self, names: TableNames) -> Self {
        self.tables = names;
        self
    }

    /// Reads lists, histories and dead letters, which are for people to look at, from a replica by its connection
    /// string. It may lag, and it may be away: then the primary is asked. Nothing that a write is decided by is ever
    /// read from it.
    pub fn replica(mut self, url: impl Into<String>) -> Self {
        self.replica = Some(url.into());
        self
    }

    /// Refuses a database whose tables are not there or are too old, instead of making them: for users that may not.
    pub fn without_migrating(mut self) -> Self {
        self.migrate = false;
        self
    }

    /// Connects to a database by its connection string, and makes its tables if they are not there.
    ///
    /// # Errors
    /// As [`MySql::connect`].
    pub async fn connect(self, url: &str) -> Result<MySql, BackendError> {
        self.connect_to(&dsn_of(url)?).await
    }

    /// Connects to a database whose connection string has been read already.
    ///
    /// # Errors
    /// As [`MySql::connect`].
    pub async fn connect_to(self, dsn: &MySqlDsn) -> Result<MySql, BackendError> {
        let connecting = self.connecting(dsn, Access::Write)?;
        let replica = self.replica.as_deref().map(dsn_of).transpose()?;
        let (mut first, facts) = reach(&connecting, self.single_writer).await?;
        let ready = self.ready(&connecting, &mut first, &facts).await;
        // Nothing depends on how the connection ends.
        let _ = first.close().await;
        let statements = self.statements(ready?);
        let server = Arc::new(connecting.server(facts.family, statements.clone()).await?);
        let copy =
            |dsn| self.connecting(dsn, Access::Read).map(|at| at.replica(facts.family, statements.clone()));
        let replica = replica.as_ref().map(copy).transpose()?;
        let object_bytes_max = self.object_limit(facts.packet_bytes_max, server.name())?;
        let settings = Settings { object_bytes_max, poll_every: self.poll_every };
        // The first one tells at once whether the sessions can be set up, and hears the server's time.
        server
            .read("set a session up", {
                let clock = server.clock.clone();
                move |mut connection| {
                    let clock = clock.clone();
                    Box::pin(async move { clock.now(connection.raw()).await })
                }
            })
            .await?;
        let display = Display::new(Arc::clone(&server), replica);
        Ok(MySql::new(MySqlStore::new(server, display, settings)))
    }

    /// A value must travel in a packet, with what stands around it.
    fn object_limit(&self, packet_bytes_max: usize, name: &str) -> Result<usize, BackendError> {
        let most = packet_bytes_max / 2;
        match self.object_bytes_max {
            None => Ok(OBJECT_BYTES_MAX.min(most)),
            Some(bytes) if bytes <= most => Ok(bytes),
            Some(bytes) => {
                let context = format!(
                    "connect to {name}: objects of {bytes} bytes need a max_allowed_packet of {} on the server, which has \
                     {packet_bytes_max}",
                    bytes.saturating_mul(2)
                );
                Err(BackendError::new(ErrorKind::Permanent, context))
            }
        }
    }
}

pub(super) fn wrong(error: crate::config::DsnError) -> BackendError {
    BackendError::with_source(ErrorKind::Permanent, format!("connect: {error}"), error)
}

/// The connection string of a MariaDB or MySQL server.
pub(super) fn dsn_of(url: &str) -> Result<MySqlDsn, BackendError> {
    match url.parse().map_err(wrong)? {
        Dsn::MySql(dsn) => Ok(dsn),
        dsn @ (Dsn::Postgres(_) | Dsn::Sqlite(_)) => {
            let context = format!("connect to {dsn}: this is the store for MariaDB and MySQL");
            Err(BackendError::new(ErrorKind::Permanent, context))
        }
    }
}

impl fmt::Debug for MySqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlOptions").field("pool", &self.pool).finish_non_exhaustive()
    }
}
