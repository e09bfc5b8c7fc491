//! The kinds of SQL that the store speaks.

use std::fmt;
use std::str::FromStr;

/// A kind of SQL.
///
/// MariaDB and MySQL share every statement, and differ in the name of one collation in their tables.
///
/// ```
/// use store_sql::Dialect;
/// assert_eq!("mariadb".parse(), Ok(Dialect::MariaDb));
/// assert_eq!(Dialect::Postgres.to_string(), "postgres");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// MariaDB.
    MariaDb,
    /// MySQL.
    MySql,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::MariaDb, Self::MySql, Self::Postgres];

    /// As it is written on a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// How long the name of a table may be, in bytes.
    pub(crate) const fn name_bytes_max(self) -> usize {
        match self {
            Self::Postgres => 63,
            // SQLite itself has no limit.
            Self::Sqlite | Self::MariaDb | Self::MySql => 64,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no dialect: it is one of sqlite, mariadb, mysql, postgres")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|dialect| dialect.as_str() == text);
        found.ok_or_else(|| UnknownDialect(text.to_owned()))
    }
}
