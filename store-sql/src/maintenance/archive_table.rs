//! The name of the table that old runs are moved into.

use std::fmt;
use std::str::FromStr;

use crate::names::is_reserved;
use crate::{Table, TableNames};

/// What is put behind the name for the table of the histories.
const HISTORY: &str = "_history";

/// The longest name: with [`HISTORY`] behind it, it has the 63 bytes that PostgreSQL takes.
const BYTES_MAX: usize = 63 - HISTORY.len();

/// The name of a table that old runs are moved into, an identifier: small ASCII letters, digits and underscores.
///
/// Their histories go into a table of the same name with `_history` behind it.
///
/// ```
/// use store_sql::maintenance::ArchiveTable;
/// let table: ArchiveTable = "orders_archive".parse()?;
/// assert_eq!((table.records(), table.history()), ("orders_archive", "orders_archive_history".to_owned()));
/// assert!("orders'; drop table orders".parse::<ArchiveTable>().is_err());
/// # Ok::<(), store_sql::maintenance::InvalidArchiveTable>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveTable(String);

impl ArchiveTable {
    /// The table of the runs.
    pub fn records(&self) -> &str {
        &self.0
    }

    /// Whether one of its two tables would be one of these.
    pub(crate) fn is_one_of(&self, names: &TableNames) -> bool {
        let history = self.history();
        let is = |name: &str| name.eq_ignore_ascii_case(&self.0) || name.eq_ignore_ascii_case(&history);
        Table::ALL.into_iter().any(|table| is(&names.table(table)))
    }

    /// The table of their histories.
    pub fn history(&self) -> String {
        format!("{}{HISTORY}", self.0)
    }
}

impl fmt::Display for ArchiveTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ArchiveTable {
    type Err = InvalidArchiveTable;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let refuse = |why: &'static str| Err(InvalidArchiveTable { name: name.to_owned(), why });
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > BYTES_MAX {
            return refuse("a name has 1 to 55 characters");
        }
        if !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return refuse("write it in small letters, digits and underscores, and begin it with no digit");
        }
        if name.starts_with("sqlite_") || name.starts_with("pg_") {
            return refuse("names that begin so are the database's own");
        }
        if is_reserved(name) {
            return refuse("it is a word of SQL: add something to it");
        }
        let table = Self(name.to_owned());
        match table.is_one_of(&TableNames::default()) {
            true => refuse("it, or with _history behind it, is one of the store's own tables"),
            false => Ok(table),
        }
    }
}

/// A name that no table for old runs can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no name for an archive table: {why}")]
pub struct InvalidArchiveTable {
    name: String,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_identifier_is_refused() {
        let long = "a".repeat(56);
        for name in [
            "",
            "a b",
            "a'b",
            "a\"b",
            "a`b",
            "a;b",
            "Archive",
            "1a",
            "läufe",
            "a.b",
            "pg_old",
            "workflow",
            "workflow_outbox",
            &long,
        ] {
            assert!(name.parse::<ArchiveTable>().is_err(), "{name}");
        }
        for name in ["a", "_a", "orders_2026", &"a".repeat(55)] {
            assert!(name.parse::<ArchiveTable>().is_ok(), "{name}");
        }
    }
}
