//! `sqlite:` strings.

use std::fmt;
use std::path::PathBuf;

use super::percent;
use super::problem::{DsnError, Problems};
use super::url::params;

/// A SQLite file.
///
/// ```
/// use store_sql::config::Dsn;
/// let Ok(Dsn::Sqlite(dsn)) = "sqlite:orders.db?mode=rw".parse() else { panic!() };
/// assert_eq!((dsn.file.to_str(), dsn.create), (Some("orders.db"), false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteDsn {
    /// The file.
    pub file: PathBuf,
    /// Whether it is made if it is not there.
    pub create: bool,
}

/// Reads what follows `sqlite:`.
pub(super) fn parse(rest: &str) -> Result<SqliteDsn, DsnError> {
    let mut problems = Problems::default();
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let file = problems.take("file", percent::decode(path)).unwrap_or_default();
    if path.is_empty() || file.starts_with(":memory:") {
        let reason =
            "it names no file: write sqlite:orders.db, or use the backend in memory if nothing is to be kept";
        problems.add("file", reason);
    } else if file.contains('\0') {
        problems.add("file", "a file name has no NUL in it");
    }
    let mut dsn = SqliteDsn { file: file.into(), create: true };
    for (name, value) in params(query, &mut problems) {
        let taken = match (name.as_str(), value.as_str()) {
            ("mode", "rwc" | "rw") => {
                dsn.create = value == "rwc";
                Ok(())
            }
            ("mode", "ro") => Err("an engine writes to its file: use rw or rwc".to_owned()),
            ("mode", "memory") => Err("nothing would be kept: use the backend in memory".to_owned()),
            ("mode", _) => Err("it is rw (the file is there) or rwc (it may be made)".to_owned()),
            ("cache" | "immutable" | "nolock" | "vfs" | "psow", _) => {
                Err("the program opens the file in the one way that is durable: leave it out".to_owned())
            }
            _ => Err("there is no such parameter; only mode is known here".to_owned()),
        };
        problems.take(&name, taken);
    }
    problems.or(dsn)
}

impl fmt::Display for SqliteDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = percent::encode(&self.file.to_string_lossy()).replace("%2F", "/");
        // Two slashes at the start would be read as the URL's own.
        let slashes = if file.starts_with("//") { "//" } else { "" };
        write!(f, "sqlite:{slashes}{file}?mode={}", if self.create { "rwc" } else { "rw" })
    }
}
