//! Connections, and what is set on each of them.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use workflow_core::adapter::{BackendError, ErrorKind};

use super::error::wrap;
use crate::TableNames;
use crate::config::{PoolOptions, Pooler, PostgresDsn};
use crate::names::{Keys, Statements};

/// The oldest server that this store works with, as PostgreSQL numbers it.
const SERVER_MIN: u32 = 150_000;

/// A connection with the names of the tables.
pub(super) type Conn<'c> = crate::conn::Conn<'c, PgConnection>;

/// How long things may take; the limits are the server's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) lock: Duration,
    pub(super) idle_in_transaction: Duration,
}

/// What is done on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Whatever a store does.
    Write,
    /// Queries alone, as on a replica.
    Read,
}

/// Where a database is, and how it is connected to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    dsn: PostgresDsn,
    name: String,
    pool: PoolOptions,
    limits: Limits,
    access: Access,
}

impl Place {
    pub(super) fn new(dsn: PostgresDsn, pool: PoolOptions, limits: Limits, access: Access) -> Self {
        Self { name: dsn.to_string(), dsn, pool, limits, access }
    }

    /// The place in messages, without the password.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn connections_max(&self) -> u32 {
        self.pool.max_open
    }

    /// After how long the server ends a transaction that lies idle.
    pub(super) fn idle_in_transaction(&self) -> Duration {
        self.limits.idle_in_transaction
    }

    /// Whether nothing may be used that lives longer than a transaction.
    pub(super) fn is_pooled(&self) -> bool {
        matches!(self.dsn.pooler, Some(Pooler::Transaction))
    }

    pub(super) fn wrap(&self, what: &str, error: sqlx::Error) -> BackendError {
        wrap(what, &self.name, error)
    }

    /// A pool of connections; none is made yet. One that was lost while it was unused is found when it is used.
    pub(super) fn lazy_pool(&self) -> PgPool {
        self.pool_options().connect_lazy_with(self.dsn.connect_options())
    }

    /// A pool of connections, with as many of them as are kept when idle.
    pub(super) async fn pool(&self) -> Result<PgPool, BackendError> {
        let pool = self.pool_options().connect_with(self.dsn.connect_options()).await;
        pool.map_err(|error| self.wrap("connect", error))
    }

    fn pool_options(&self) -> PgPoolOptions {
        let settings = (!self.is_pooled()).then(|| self.session_settings());
        PgPoolOptions::new()
            .max_connections(self.pool.max_open)
            .min_connections(self.pool.min_idle)
            .max_lifetime(self.pool.max_lifetime)
            .idle_timeout(self.pool.idle_time)
            .acquire_timeout(self.pool.acquire_timeout_or(self.dsn.connect_timeout))
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move { set(connection, settings).await })
            })
    }

    /// How a session of its own is connected, with nothing set on it.
    pub(super) fn session(&self) -> PgConnectOptions {
        self.dsn.connect_options()
    }

    /// How long making a connection may take.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.dsn.connect_timeout.unwrap_or_else(|| self.pool.acquire_timeout_or(None))
    }

    /// A connection of its own; behind a pooler it is in a transaction.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.dsn.connect_options()).await?;
            let settings = match self.is_pooled() {
                true => format!("begin; {}", self.transaction_settings()),
                false => self.session_settings(),
            };
            set(&mut connection, Some(settings)).await?;
            Ok(connection)
        };
        match tokio::time::timeout(self.connect_timeout(), connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// Refuses a server that is too old.
    pub(super) fn check(&self, connection: &PgConnection) -> Result<(), BackendError> {
        match connection.server_version_num() {
            Some(version) if version < SERVER_MIN => {
                let (found, wanted) = (version / 10_000, SERVER_MIN / 10_000);
                let context = format!("{} is PostgreSQL {found}: {wanted} or later is needed", self.name);
                Err(BackendError::new(ErrorKind::Permanent, context))
            }
            _ => Ok(()),
        }
    }

    /// What is set on each connection.
    fn session_settings(&self) -> String {
        let access = match self.access {
            Access::Write => "read write",
            Access::Read => "read only",
        };
        let mut text = format!(
            "set session characteristics as transaction isolation level read committed, {access}; set timezone = 'UTC'"
        );
        for (name, value) in self.limits() {
            text.push_str(&format!("; set {name} = {value}"));
        }
        text
    }

    /// What is set in each transaction, where no session is kept; what the connection string asks for, too.
    ///
    /// Statements that others have prepared on the same connection of the pooler go, as the driver would give its own the
    /// same names. Nobody can rely on them where no session is kept.
    pub(super) fn transaction_settings(&self) -> String {
        let access = match self.access {
            Access::Write => "read write",
            Access::Read => "read only",
        };
        let mut text =
            format!("set transaction isolation level read committed, {access}; set local timezone = 'UTC'");
        for (name, value) in self.limits() {
            text.push_str(&format!("; set local {name} = {value}"));
        }
        text.push_str("; deallocate all");
        for (name, value) in &self.dsn.settings {
            text.push_str(&format!("; select set_config('{name}', '{}', true)", value.replace('\'', "''")));
        }
        text
    }

    /// Settings of a session.
    ///
    /// Every query of the store has an index, and plans are kept: one that was made while the tables were empty would
    /// go on reading them from end to end when they have grown. So only plans by index are made.
    fn limits(&self) -> [(&'static str, String); 6] {
        let millis = |time: Duration| time.as_millis().to_string();
        let off = || "off".to_owned();
        [
            ("statement_timeout", millis(self.pool.statement_timeout_or(self.dsn.statement_timeout))),
            ("lock_timeout", millis(self.limits.lock)),
            ("idle_in_transaction_session_timeout", millis(self.limits.idle_in_transaction)),
            ("enable_seqscan", off()),
            ("enable_hashjoin", off()),
            ("enable_mergejoin", off()),
        ]
    }
}

async fn set(connection: &mut PgConnection, settings: Option<String>) -> Result<(), sqlx::Error> {
    let Some(settings) = settings else { return Ok(()) };
    sqlx::raw_sql(sqlx::AssertSqlSafe(settings)).execute(connection).await.map(drop)
}

/// The version of the tables of a database, asked on a connection of its own.
pub(crate) async fn schema_version(
    dsn: &PostgresDsn,
    names: &TableNames,
) -> Result<Option<(i64, i64)>, BackendError> {
    let place = Place::new(dsn.clone(), PoolOptions::new(), super::options::limits(), Access::Read);
    let mut connection = place.connect().await.map_err(|error| place.wrap("connect", error))?;
    let statements = Statements::new(names.clone(), Keys::Plain);
    let found = super::schema::note(&mut Conn::new(&mut connection, &statements), &place).await;
    // Nothing depends on how the connection ends.
    let _ = connection.close().await;
    Ok(found?.map(|note| (note.version.into(), note.oldest_program.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dsn;

    fn place(text: &str) -> Place {
        let Ok(Dsn::Postgres(dsn)) = text.parse() else { panic!("{text}") };
        let limits =
            Limits { lock: Duration::from_millis(1500), idle_in_transaction: Duration::from_secs(5) };
        Place::new(dsn, PoolOptions::new(), limits, Access::Write)
    }

    #[test]
    fn a_place_is_named_without_its_password() {
        let place = place("postgres://me:secret@db.example:5433/orders");
        assert_eq!(place.name(), "postgres://me:***@db.example:5433/orders");
        assert!(!format!("{place:?}").contains("secret"));
    }

    #[test]
    fn limits_are_set_in_milliseconds() {
        let place = place("postgres://me@db/orders?statement_timeout=7s");
        let settings = place.session_settings();
        assert!(settings.contains("set lock_timeout = 1500;"), "{settings}");
        assert!(settings.contains("set statement_timeout = 7000;"), "{settings}");
    }

    #[test]
    fn behind_a_pooler_settings_are_those_of_a_transaction() {
        let place = place("postgres://me@db/orders?pooler=transaction&options=-c%20search_path=it's");
        let settings = place.transaction_settings();
        assert!(place.is_pooled());
        assert!(settings.contains("; select set_config('search_path', 'it''s', true)"), "{settings}");
        assert!(
            !settings.replace("set local", "").replace("set transaction", "").contains("; set "),
            "{settings}"
        );
    }
}
