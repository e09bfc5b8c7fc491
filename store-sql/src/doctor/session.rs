//! A connection to any of the databases, for statements whose answers are read as text.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use super::names::Names;
use super::reach::{Failure, Unreachable};
use crate::config::Dsn;

/// How long a statement of the doctor may take.
const STATEMENT_MAX: Duration = Duration::from_secs(30);

/// Rows of values as text.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    MySql,
    Postgres,
    Sqlite,
}

impl Dialect {
    /// That of a connection string.
    pub(super) fn of(dsn: &Dsn) -> Self {
        match dsn {
            Dsn::MySql(_) => Dialect::MySql,
            Dsn::Postgres(_) => Dialect::Postgres,
            Dsn::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// The present, as the tables have it.
    pub(super) fn now(self) -> &'static str {
        match self {
            Dialect::MySql => "utc_timestamp(3)",
            Dialect::Postgres => "(now() at time zone 'utc')",
            Dialect::Sqlite => "cast((julianday('now') - 2440587.5) * 86400000 as integer)",
        }
    }

    /// How many seconds ago an instant was.
    pub(super) fn seconds_since(self, column: &str) -> String {
        let now = self.now();
        match self {
            Dialect::MySql => format!("timestampdiff(second, {column}, {now})"),
            Dialect::Postgres => format!("floor(extract(epoch from {now} - {column}))::bigint"),
            Dialect::Sqlite => format!("({now} - {column}) / 1000"),
        }
    }

    /// An instant that is so long ago.
    pub(super) fn ago(self, time: Duration) -> String {
        let (now, seconds) = (self.now(), time.as_secs());
        match self {
            Dialect::MySql => format!("{now} - interval {seconds} second"),
            Dialect::Postgres => format!("{now} - interval '{seconds} seconds'"),
            Dialect::Sqlite => format!("{now} - {}", time.as_millis()),
        }
    }
}

/// A connection to one database.
enum Connected {
    #[cfg(feature = "mysql")]
    MySql(Box<sqlx::MySqlConnection>),
    #[cfg(feature = "postgres")]
    Postgres(Box<sqlx::PgConnection>),
    #[cfg(feature = "sqlite")]
    Sqlite(Box<sqlx::SqliteConnection>),
}

macro_rules! on {
    ($connected:expr, $connection:ident => $body:expr) => {
        match $connected {
            #[cfg(feature = "mysql")]
            Connected::MySql($connection) => $body,
            #[cfg(feature = "postgres")]
            Connected::Postgres($connection) => $body,
            #[cfg(feature = "sqlite")]
            Connected::Sqlite($connection) => $body,
        }
    };
}

/// A connection to one database, and what the tables are called in it.
pub(super) struct Session {
    connected: Connected,
    names: Names,
}

impl Session {
    /// Connects within a time.
    pub(super) async fn connect(dsn: &Dsn, names: Names, timeout: Duration) -> Result<Self, Unreachable> {
        match tokio::time::timeout(timeout, open(dsn)).await {
            Ok(connected) => Ok(Self { connected: connected?, names }),
            Err(_) => {
                let reason = format!("no answer within {} ms", timeout.as_millis());
                Err(Unreachable { failure: Failure::NoAnswer, reason })
            }
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match &self.connected {
            #[cfg(feature = "mysql")]
            Connected::MySql(_) => Dialect::MySql,
            #[cfg(feature = "postgres")]
            Connected::Postgres(_) => Dialect::Postgres,
            #[cfg(feature = "sqlite")]
            Connected::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// What the tables are called.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// Sends text with the default names, and gives the rows of all its statements.
    pub(super) async fn rows(&mut self, text: impl AsRef<str>) -> Result<Rows, sqlx::Error> {
        self.rows_as_written(self.names.written(text.as_ref())).await
    }

    /// Asks the catalogue: see [`Names::question`].
    pub(super) async fn catalogue(&mut self, text: &str) -> Result<Rows, sqlx::Error> {
        self.rows_as_written(self.names.question(text, self.dialect())).await
    }

    /// Sends text as it stands. Nothing is prepared, so that a pooler does no harm.
    pub(super) async fn rows_as_written(&mut self, text: String) -> Result<Rows, sqlx::Error> {
        let query = sqlx::raw_sql(AssertSqlSafe(text));
        on!(&mut self.connected, connection => {
            let rows = query.fetch_all(&mut **connection).await?;
            rows.iter().map(|row| (0..row.len()).map(|at| row.try_get_unchecked(at)).collect()).collect()
        })
    }

    /// The first value of the first row.
    pub(super) async fn value(&mut self, text: impl AsRef<str>) -> Result<Option<String>, sqlx::Error> {
        Ok(self.rows(text).await?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// The first value of the first row as a number; 0 if there is none.
    pub(super) async fn number(&mut self, text: impl AsRef<str>) -> Result<i64, sqlx::Error> {
        Ok(number(self.value(text).await?.as_deref()).unwrap_or(0))
    }

    /// Sends text with the default names whose rows nobody needs; tells how many rows were affected.
    pub(super) async fn execute(&mut self, text: impl AsRef<str>) -> Result<u64, sqlx::Error> {
        self.execute_as_written(self.names.written(text.as_ref())).await
    }

    /// The same with text as it stands.
    pub(super) async fn execute_as_written(&mut self, text: String) -> Result<u64, sqlx::Error> {
        execute(&mut self.connected, text).await
    }

    /// Begins a check. On PostgreSQL each has a transaction of its own, so that limits and temporary tables are gone
    /// after it, whichever of a pooler's connections it had.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self.dialect() {
            Dialect::Postgres => {
                let limit = STATEMENT_MAX.as_millis();
                self.execute(format!("begin; set local statement_timeout = {limit}")).await.map(drop)
            }
            Dialect::MySql | Dialect::Sqlite => Ok(()),
        }
    }

    /// Ends a check, however it went.
    pub(super) async fn end(&mut self) -> Result<(), sqlx::Error> {
        match self.dialect() {
            Dialect::Postgres | Dialect::MySql => self.execute("rollback").await.map(drop),
            Dialect::Sqlite => {
                // There is no transaction unless the check has failed within one.
                let _ = self.execute("rollback").await;
                Ok(())
            }
        }
    }

    /// Ends the connection.
    pub(super) async fn close(self) {
        // Nothing depends on how it ends.
        let _ = on!(self.connected, connection => connection.close().await);
    }
}

/// A number that a server wrote, whole or not.
pub(super) fn number(text: Option<&str>) -> Option<i64> {
    let text = text?;
    text.parse().ok().or_else(|| text.parse::<f64>().ok().map(|number| number as i64))
}

async fn execute(connected: &mut Connected, text: String) -> Result<u64, sqlx::Error> {
    let query = sqlx::raw_sql(AssertSqlSafe(text));
    on!(connected, connection => Ok(query.execute(&mut **connection).await?.rows_affected()))
}

async fn open(dsn: &Dsn) -> Result<Connected, Unreachable> {
    match dsn {
        #[cfg(feature = "mysql")]
        Dsn::MySql(dsn) => {
            let connected = dsn.connect_options().disable_statement_logging().connect().await;
            let connection = connected.map_err(|error| Unreachable::mysql(&error))?;
            let mut connected = Connected::MySql(Box::new(connection));
            let limited = execute(&mut connected, mysql_limits()).await;
            limited.map_err(|error| Unreachable::mysql(&error))?;
            Ok(connected)
        }
        #[cfg(feature = "postgres")]
        Dsn::Postgres(dsn) => {
            let connected = dsn.connect_options().disable_statement_logging().connect().await;
            let connection = connected.map_err(|error| Unreachable::postgres(&error))?;
            Ok(Connected::Postgres(Box::new(connection)))
        }
        #[cfg(feature = "sqlite")]
        Dsn::Sqlite(dsn) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&dsn.file);
            let options = options.create_if_missing(false).busy_timeout(STATEMENT_MAX);
            let connected = options.disable_statement_logging().connect().await;
            let connection = connected.map_err(|error| Unreachable::sqlite(&dsn.file, &error))?;
            let mut connected = Connected::Sqlite(Box::new(connection));
            // The file is read only now.
            let read = execute(&mut connected, "select count(*) from sqlite_master".to_owned()).await;
            read.map_err(|error| Unreachable::sqlite(&dsn.file, &error))?;
            Ok(connected)
        }
        #[allow(unreachable_patterns, reason = "not every kind of database may be built in")]
        _ => Err(Unreachable {
            failure: Failure::Other,
            reason: "this program was built without support for such a database".to_owned(),
        }),
    }
}

/// The session as the store sets it up, but for its limits. Each family reads its own comment.
#[cfg(feature = "mysql")]
fn mysql_limits() -> String {
    let (seconds, millis) = (STATEMENT_MAX.as_secs(), STATEMENT_MAX.as_millis());
    format!(
        "set session transaction isolation level read committed; set session innodb_lock_wait_timeout = 5, session \
         sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' /*M!100100 , session \
         max_statement_time = {seconds} */ /*!80000 , session max_execution_time = {millis} */"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_any_form() {
        let cases = [("12", Some(12)), ("-3", Some(-3)), ("30.000000", Some(30)), ("on", None), ("", None)];
        for (text, expected) in cases {
            assert_eq!(number(Some(text)), expected, "{text:?}");
        }
        assert_eq!(number(None), None);
    }
}
