//! A connection string of any kind.

use std::fmt;
use std::str::FromStr;

use super::mysql::MySqlDsn;
use super::postgres::PostgresDsn;
use super::problem::{DsnError, Problems};
use super::sqlite::{self, SqliteDsn};
use super::url::Parts;
use super::{go_form, keyword_form, percent, url};

/// Where a database is: a URL, the Go driver's form, or PostgreSQL's keywords.
///
/// Printing it gives a URL that means the same, with `***` for the password.
///
/// ```
/// use store_sql::config::Dsn;
/// let dsn: Dsn = "shop:secret@tcp(db:3306)/orders?parseTime=true".parse()?;
/// assert_eq!(dsn.to_string(), "mysql://shop:***@db:3306/orders");
/// # Ok::<(), store_sql::config::DsnError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dsn {
    /// A MariaDB or MySQL server.
    MySql(MySqlDsn),
    /// A PostgreSQL server.
    Postgres(PostgresDsn),
    /// A SQLite file.
    Sqlite(SqliteDsn),
}

/// The forms, for messages.
const FORMS: &str = "it is none of mysql://user:password@host:3306/database, mariadb://.., postgres://.., \
                     sqlite:file, user:password@tcp(host:3306)/database, host=.. dbname=..";

impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let scheme = text.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        if let Some((scheme, rest)) = &scheme {
            let server = rest.strip_prefix("//");
            match (scheme.as_str(), server) {
                ("sqlite", _) => return sqlite::parse(rest).map(Dsn::Sqlite),
                ("mysql" | "mariadb", Some(rest)) => {
                    let mut problems = Problems::default();
                    let parts = url::parse(rest, &mut problems);
                    return MySqlDsn::from_parts(parts, problems).map(Dsn::MySql);
                }
                ("postgres" | "postgresql", Some(rest)) => {
                    let mut problems = Problems::default();
                    let parts = url::parse(rest, &mut problems);
                    return PostgresDsn::from_parts(parts, problems).map(Dsn::Postgres);
                }
                _ => {}
            }
        }
        if keyword_form::is_keyword_form(text) {
            let mut problems = without_nul(text);
            let read = match keyword_form::pairs(text, &mut problems) {
                Some(params) => PostgresDsn::from_parts(Parts { params, ..Parts::default() }, problems),
                None => Err(problems.or(()).expect_err("why they cannot be read was added")),
            };
            return read.map(Dsn::Postgres).map_err(|error| keyword_form::in_keywords(error, text));
        }
        if go_form::is_go_form(text) {
            without_nul(text).or(())?;
            return go_form::parse(text).map(Dsn::MySql);
        }
        let mut problems = Problems::default();
        problems.add("form", FORMS);
        Err(problems.or(()).expect_err("a problem was added"))
    }
}

/// A server takes a NUL for the end of what it is told, and what follows for something else.
fn without_nul(text: &str) -> Problems {
    let mut problems = Problems::default();
    if text.contains('\0') {
        problems.add("form", percent::NUL);
    }
    problems
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dsn::MySql(dsn) => dsn.fmt(f),
            Dsn::Postgres(dsn) => dsn.fmt(f),
            Dsn::Sqlite(dsn) => dsn.fmt(f),
        }
    }
}
