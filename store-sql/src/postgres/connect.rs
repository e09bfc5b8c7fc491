//! Connections, and what is set on each of them.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use workflow_core::adapter::{BackendError, ErrorKind};

use super::error::wrap;
use crate::TableNames;
use crate::config::PostgresDsn;
use crate::names::{Keys, Statements};

/// The oldest server that this store works with, as PostgreSQL numbers it.
const SERVER_MIN: u32 = 150_000;

/// A connection with the names of the tables.
pub(super) type Conn<'c> = crate::conn::Conn<'c, PgConnection>;

/// How long the connection may stay unused before it is closed.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// How many connections there may be, and how long things on them may take. The limits are the server's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections_max: u32,
    pub(super) acquire: Duration,
    pub(super) statement: Duration,
    pub(super) lock: Duration,
    pub(super) idle_in_transaction: Duration,
}

/// Where a database is, and how it is connected to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    options: PgConnectOptions,
    name: String,
    limits: Limits,
}

impl Place {
    /// Reads an address.
    pub(super) fn parse(url: &str, limits: Limits) -> Result<Self, BackendError> {
        // The text of the address is not told: it has the password in it.
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            BackendError::with_source(
                ErrorKind::Permanent,
                "the address of the database cannot be read",
                error,
            )
        })?;
        Ok(Self::new(options, limits))
    }

    pub(super) fn new(options: PgConnectOptions, limits: Limits) -> Self {
        let database = options.get_database().unwrap_or_else(|| options.get_username()).to_owned();
        let name = match options.get_socket() {
            Some(socket) => format!("database {database} at {}", socket.display()),
            None => format!("database {database} at {}:{}", options.get_host(), options.get_port()),
        };
        let named = options.get_application_name().is_some();
        let options = if named { options } else { options.application_name("workflow") };
        Self { options, name, limits }
    }

    /// The place in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn wrap(&self, what: &str, error: sqlx::Error) -> BackendError {
        wrap(what, &self.name, error)
    }

    /// A pool of connections; none is made yet. One that was lost while it was unused is found when it is used.
    pub(super) fn pool(&self) -> PgPool {
        let settings = self.settings();
        PgPoolOptions::new()
            .max_connections(self.limits.connections_max)
            .acquire_timeout(self.limits.acquire)
            .idle_timeout(IDLE_MAX)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move { set(connection, settings).await })
            })
            .connect_lazy_with(self.options.clone())
    }

    /// How a session of its own is connected, with nothing set on it.
    pub(super) fn session(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// A connection of its own.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        set(&mut connection, self.settings()).await?;
        Ok(connection)
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
    ///
    /// Every query of the store has an index, and plans are kept: one that was made while the tables were empty would
    /// go on reading them from end to end when they have grown. So only plans by index are made.
    fn settings(&self) -> String {
        let Limits { statement, lock, idle_in_transaction, .. } = self.limits;
        format!(
            "set session characteristics as transaction isolation level read committed; set timezone = 'UTC'; set \
             statement_timeout = {}; set lock_timeout = {}; set idle_in_transaction_session_timeout = {}; set \
             enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off",
            statement.as_millis(),
            lock.as_millis(),
            idle_in_transaction.as_millis()
        )
    }
}

async fn set(connection: &mut PgConnection, settings: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(settings)).execute(connection).await.map(drop)
}

/// The version of the tables of a database, asked on a connection of its own.
pub(crate) async fn schema_version(
    dsn: &PostgresDsn,
    names: &TableNames,
) -> Result<Option<(i64, i64)>, BackendError> {
    let place = Place::new(dsn.connect_options(), super::handle::limits());
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

    const LIMITS: Limits = Limits {
        connections_max: 1,
        acquire: Duration::from_secs(1),
        statement: Duration::from_secs(5),
        lock: Duration::from_millis(1500),
        idle_in_transaction: Duration::from_secs(5),
    };

    #[test]
    fn a_place_is_named_without_its_password() {
        let place = Place::parse("postgres://me:secret@db.example:5433/orders", LIMITS).map_err(|_| ());
        let name = place.map(|place| place.name().to_owned());
        assert_eq!(name.as_deref(), Ok("database orders at db.example:5433"));
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_told() {
        let error = Place::parse("postgres://me:secret@db:no-port/orders", LIMITS).map(drop);
        let told = error.map_err(|error| (error.kind(), format!("{error} {error:?}")));
        let Err((kind, text)) = told else { panic!("it was read") };
        assert_eq!(kind, ErrorKind::Permanent);
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn limits_are_set_in_milliseconds() {
        let place = Place::parse("postgres://me@db/orders", LIMITS).map(|place| place.settings());
        assert!(place.is_ok_and(|settings| settings.contains("lock_timeout = 1500;")));
    }
}
