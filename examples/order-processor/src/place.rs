//! Where the runs are kept: a file, or a database that a connection string names.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use workflow::config::{Dsn, DsnError, SqliteDsn};

/// What `--database` names.
#[derive(Clone, Debug)]
pub enum Place {
    /// A database.
    Database(Box<Dsn>),
    /// Nothing: it looks like a connection string and is none. What was said is not kept, as it may hold a password.
    Wrong(DsnError),
}

impl Place {
    /// A SQLite file, which is made if it is not there.
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self::Database(Box::new(Dsn::Sqlite(SqliteDsn { file: file.into(), create: true })))
    }

    /// The database, or what is wrong with the connection string.
    ///
    /// # Errors
    /// If it is none.
    pub fn dsn(&self) -> Result<&Dsn, DsnError> {
        match self {
            Place::Database(dsn) => Ok(dsn),
            Place::Wrong(error) => Err(error.clone()),
        }
    }
}

/// A connection string is taken as such; any other text is the name of a file.
impl From<OsString> for Place {
    fn from(text: OsString) -> Self {
        let Some(said) = text.to_str() else { return Self::file(text) };
        match said.parse() {
            Ok(dsn) => Self::Database(Box::new(dsn)),
            Err(error) if looks_like_a_connection_string(said) => Self::Wrong(error),
            Err(_) => Self::file(text),
        }
    }
}

/// File names have no schemes and no users; one that does can be written as `./name`.
fn looks_like_a_connection_string(text: &str) -> bool {
    let is_path = text.starts_with(['.', '/']);
    let has_scheme = ["mysql:", "mariadb:", "postgres:", "postgresql:", "sqlite:"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    !is_path && (has_scheme || text.contains("://") || text.contains("@tcp(") || text.contains("host="))
}

/// The file, or the connection string without its password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Database(dsn) => match &**dsn {
                Dsn::Sqlite(dsn) => dsn.file.display().fmt(f),
                server => server.fmt(f),
            },
            Place::Wrong(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> String {
        format!("{:?} {0}", Place::from(OsString::from(text)))
    }

    #[test]
    fn what_is_no_connection_string_is_a_file() {
        for name in ["orders.db", "/tmp/orders.db", "a b/ö.db", "./mysql:orders.db", "x@y"] {
            assert!(place(name).ends_with(name), "{}", place(name));
        }
        assert!(place("sqlite:orders.db").ends_with(" orders.db"));
    }

    #[test]
    fn servers_are_shown_without_their_passwords() {
        for text in ["mysql://me:secret@db/o", "postgres://me:secret@db/o", "me:secret@tcp(db:3306)/o"] {
            let shown = place(text);
            assert!(shown.contains("me:***@db") && !shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn a_connection_string_that_cannot_be_used_is_no_file_name() {
        for text in
            ["mysq://me:secret@db/o", "mysql:/orders", "sqlite:", "me:secret@tcp(db:3306", "host=db port=no"]
        {
            let said = OsString::from(text);
            assert!(matches!(Place::from(said), Place::Wrong(_)), "{text}");
            assert!(!place(text).contains("secret"), "{}", place(text));
        }
    }
}
