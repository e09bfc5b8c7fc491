//! The connections to one database.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{ConnectOptions, Connection, MySqlConnection, MySqlPool};
use workflow_core::adapter::{BackendError, ErrorKind};

use super::clock::StampClock;
use super::error::wrap;
use super::session::{Access, Facts, Family, Limits, Waits, set_up};
use crate::TableNames;
use crate::config::{MySqlDsn, PoolOptions};
use crate::names::{Keys, Statements};

/// How many statements a connection keeps prepared: each kind in each of its sizes.
const STATEMENTS_MAX: usize = 512;

/// After how long an idle connection is tried before it is used.
const IDLE_TRIED_AFTER: Duration = Duration::from_secs(5);

/// How long a replica is waited for, as the primary can be asked as well.
const REPLICA_WAIT: Duration = Duration::from_secs(2);

/// How long is looked for the reason when no connection was had.
const REASON_WAIT: Duration = Duration::from_secs(1);
/// A connection with the names of the tables.
pub(super) type Conn<'c> = crate::conn::Conn<'c, MySqlConnection>;

/// A database, and how sessions with it are made.
pub(super) struct Server {
    pub(super) statements: Statements,
    pub(super) pool: MySqlPool,
    pub(super) clock: StampClock,
    pub(super) family: Family,
    options: MySqlConnectOptions,
    connections_max: u32,
    connect_timeout: Duration,
    idle_transaction: Duration,
    name: String,
}

/// What a connection is made with.
pub(super) struct Connecting<'a> {
    pub(super) dsn: &'a MySqlDsn,
    pub(super) pool: PoolOptions,
    pub(super) waits: Waits,
    pub(super) access: Access,
    pub(super) clock: StampClock,
}

impl Connecting<'_> {
    fn options(&self) -> MySqlConnectOptions {
        let statements = self.dsn.statement_cache.unwrap_or(STATEMENTS_MAX);
        self.dsn.connect_options().statement_cache_capacity(statements)
    }

    fn acquire_timeout(&self) -> Duration {
        self.pool.acquire_timeout_or(self.dsn.connect_timeout)
    }

    /// How long making a connection outside the pool may take.
    fn connect_timeout(&self) -> Duration {
        self.dsn.connect_timeout.unwrap_or_else(|| self.acquire_timeout())
    }

    /// The first connection: no session's limits are on it, so that migrations can take their time.
    pub(super) async fn first(&self) -> Result<MySqlConnection, BackendError> {
        connect(&self.options(), self.connect_timeout(), &self.dsn.to_string()).await
    }

    fn pool(&self, family: Family) -> MySqlPoolOptions {
        let limits = Limits {
            access: self.access,
            statement: self.pool.statement_timeout_or(self.dsn.statement_timeout),
            waits: self.waits,
            write: self.dsn.write_timeout,
        };
        MySqlPoolOptions::new()
            .max_connections(self.pool.max_open)
            .min_connections(self.pool.min_idle)
            .max_lifetime(self.pool.max_lifetime)
            .idle_timeout(self.pool.idle_time)
            .acquire_timeout(self.acquire_timeout())
            .test_before_acquire(false)
            .after_connect(move |connection, _| Box::pin(set_up(connection, family, limits)))
            .before_acquire(|connection, state| {
                Box::pin(
                    async move { Ok(state.idle_for < IDLE_TRIED_AFTER || connection.ping().await.is_ok()) },
                )
            })
    }

    /// The connections of a store, with as many of them as are kept when idle.
    pub(super) async fn server(
        &self,
        family: Family,
        statements: Statements,
    ) -> Result<Server, BackendError> {
        let pool = self.pool(family).connect_with(self.options()).await;
        Ok(self.over(
            pool.map_err(|error| wrap("connect", &self.dsn.to_string(), error))?,
            family,
            statements,
        ))
    }

    /// The connections to a replica, which may be away for now: none is made yet, and none is waited for long.
    pub(super) fn replica(mut self, family: Family, statements: Statements) -> Server {
        self.pool = self.pool.acquire_timeout(self.acquire_timeout().min(REPLICA_WAIT));
        self.over(self.pool(family).connect_lazy_with(self.options()), family, statements)
    }

    /// The connections of a store, of which none is made yet.
    pub(super) fn lazy(&self, family: Family, statements: Statements) -> Server {
        self.over(self.pool(family).connect_lazy_with(self.options()), family, statements)
    }

    fn over(&self, pool: MySqlPool, family: Family, statements: Statements) -> Server {
        Server {
            statements,
            pool,
            clock: self.clock.clone(),
            family,
            options: self.options(),
            connections_max: self.pool.max_open,
            connect_timeout: self.connect_timeout(),
            idle_transaction: self.waits.idle_transaction,
            name: self.dsn.to_string(),
        }
    }
}

async fn connect(
    options: &MySqlConnectOptions,
    timeout: Duration,
    name: &str,
) -> Result<MySqlConnection, BackendError> {
    match tokio::time::timeout(timeout, options.connect()).await {
        Ok(connected) => connected.map_err(|error| wrap("connect", name, error)),
        Err(_) => {
            let context = format!("connect to {name}: no answer within {} ms", timeout.as_millis());
            Err(BackendError::new(ErrorKind::Transient, context))
        }
    }
}

impl Server {
    /// Where it is, without the password.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// After how long the server ends a transaction that lies idle.
    pub(super) fn idle_transaction(&self) -> Duration {
        self.idle_transaction
    }

    pub(super) fn wrap(&self, what: &str, error: sqlx::Error) -> BackendError {
        wrap(what, &self.name, error)
    }

    /// A connection of its own, outside the pool.
    pub(super) async fn own_connection(&self) -> Result<MySqlConnection, BackendError> {
        connect(&self.options, self.connect_timeout, &self.name).await
    }

    /// A pool that waits for a server says no more than that it has waited; the server itself says why.
    pub(super) async fn why_no_connection(&self) -> sqlx::Error {
        if self.pool.size() >= self.connections_max {
            return sqlx::Error::PoolTimedOut;
        }
        match tokio::time::timeout(REASON_WAIT, self.options.connect()).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
        }
    }
}

/// A connection to a server that can be used, and what is known of it: no session's limits are on it.
pub(super) async fn reach(
    connecting: &Connecting<'_>,
    single_writer: bool,
) -> Result<(MySqlConnection, Facts), BackendError> {
    let mut first = connecting.first().await?;
    let asked = Facts::ask(&mut first).await;
    let facts = asked.map_err(|error| wrap("ask for the version", &connecting.dsn.to_string(), error))?;
    facts.check(single_writer)?;
    Ok((first, facts))
}

/// The version of the tables of a database, asked on a connection of its own.
pub(crate) async fn schema_version(
    dsn: &MySqlDsn,
    names: &TableNames,
) -> Result<Option<(i64, i64)>, BackendError> {
    let connecting = Connecting {
        dsn,
        pool: PoolOptions::new(),
        waits: Waits { idle_transaction: IDLE_TRIED_AFTER, lock: IDLE_TRIED_AFTER },
        access: Access::Read,
        clock: StampClock::new(None),
    };
    let mut connection = connecting.first().await?;
    let statements = Statements::new(names.clone(), Keys::Plain);
    let found = super::schema::note(&mut Conn::new(&mut connection, &statements), &dsn.to_string()).await;
    // Nothing depends on how the connection ends.
    let _ = connection.close().await;
    Ok(found?.map(|note| (note.version.into(), note.oldest_program.into())))
}
