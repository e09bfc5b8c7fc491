//! What the tables are called.

mod error;
mod reserved;
mod statements;
mod table;

use std::fmt;

pub use error::{NameError, NamePart, NameProblem};
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) use reserved::is_reserved;
pub(crate) use statements::{Keys, Statements, rendered};
use table::INDEXES;
pub use table::Table;

use crate::Dialect;

/// What stands before the names of tables and indexes if nothing else is said.
const PREFIX: &str = "workflow_";

/// The longest prefix: with it, the longest name of an index (`idx_workflow_name_foreign_id_status`) has the 63 bytes
/// that PostgreSQL takes.
const PREFIX_BYTES_MAX: usize = 28;

/// The longest name that any of the databases takes.
const NAME_BYTES_MAX: usize = 64;

/// The names of the store's tables.
///
/// Records and outbox may be named by themselves, as the Go library names them; the names of all other tables, and of
/// all indexes, are a prefix and a fixed rest. Names are identifiers: ASCII letters, digits and underscores. So they go
/// into statements as they are, and nothing else can come with them.
///
/// ```
/// use store_sql::TableNames;
/// let names = TableNames::new("order_runs", "order_events")?.with_prefix("order_")?;
/// assert_eq!((names.records(), names.prefix()), ("order_runs", "order_"));
/// assert_eq!(TableNames::prefixed("shop_")?.outbox(), "shop_outbox");
/// let refused = TableNames::new("runs'; drop table runs; --", "events").unwrap_err();
/// assert!(refused.to_string().contains("letters, digits and underscores"));
/// # Ok::<(), store_sql::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TableNames {
    schema: Option<Box<str>>,
    prefix: Box<str>,
    records: Box<str>,
    outbox: Box<str>,
}

impl Default for TableNames {
    /// `workflow_records`, `workflow_outbox`, and `workflow_` before all others.
    fn default() -> Self {
        Self {
            schema: None,
            prefix: PREFIX.into(),
            records: "workflow_records".into(),
            outbox: "workflow_outbox".into(),
        }
    }
}

impl TableNames {
    /// These two tables, and the others with the prefix `workflow_`.
    ///
    /// Two stores in one database need two prefixes, whatever their records are called.
    ///
    /// # Errors
    /// If a name is no identifier, is a word that databases reserve, is too long, or is that of another of the tables.
    pub fn new(records: &str, outbox: &str) -> Result<Self, NameError> {
        checked(NamePart::Records, records, NAME_BYTES_MAX)?;
        checked(NamePart::Outbox, outbox, NAME_BYTES_MAX)?;
        Self { records: records.into(), outbox: outbox.into(), ..Self::default() }.distinct()
    }

    /// All tables with a prefix: `{prefix}records`, `{prefix}outbox` and so on.
    ///
    /// # Errors
    /// As [`TableNames::new`].
    pub fn prefixed(prefix: &str) -> Result<Self, NameError> {
        checked(NamePart::Prefix, prefix, PREFIX_BYTES_MAX)?;
        let (records, outbox) = (format!("{prefix}records"), format!("{prefix}outbox"));
        Self::new(&records, &outbox)?.with_prefix(prefix)
    }

    /// Another prefix for all tables but records and outbox, and for all indexes.
    ///
    /// # Errors
    /// As [`TableNames::new`].
    pub fn with_prefix(self, prefix: &str) -> Result<Self, NameError> {
        checked(NamePart::Prefix, prefix, PREFIX_BYTES_MAX)?;
        Self { prefix: prefix.into(), ..self }.distinct()
    }

    /// All tables in a schema (PostgreSQL) or database (MariaDB, MySQL) other than the session's own. SQLite has none.
    ///
    /// # Errors
    /// As [`TableNames::new`].
    pub fn in_schema(self, schema: &str) -> Result<Self, NameError> {
        checked(NamePart::Schema, schema, NAME_BYTES_MAX)?;
        Ok(Self { schema: Some(schema.into()), ..self })
    }

    /// The same tables, as a session in their schema calls them.
    pub(crate) fn without_schema(&self) -> Self {
        Self { schema: None, ..self.clone() }
    }

    /// The schema or database, if it is not the session's own.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// What stands before the names of all tables but records and outbox, and of all indexes.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The table of the records.
    pub fn records(&self) -> &str {
        &self.records
    }

    /// The table of the outbox.
    pub fn outbox(&self) -> &str {
        &self.outbox
    }

    /// The name of a table, without its schema.
    pub fn table(&self, table: Table) -> String {
        match table {
            Table::Records => self.records.to_string(),
            Table::Outbox => self.outbox.to_string(),
            other => format!("{}{}", self.prefix, other.rest()),
        }
    }

    /// The name of a table as statements write it: with its schema, if it has one.
    pub fn qualified(&self, table: Table) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.table(table)),
            None => self.table(table),
        }
    }

    /// The name of a table that lies in the same schema as these, as statements write it.
    #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
    pub(crate) fn beside(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{name}"),
            None => name.to_owned(),
        }
    }

    /// What an index is called whose name with the default names is this.
    pub(crate) fn index(&self, default: &str) -> String {
        match default.strip_prefix(PREFIX) {
            Some(rest) => format!("{}{rest}", self.prefix),
            // Those of the guide have its names, where its tables have them, too.
            None if self.is_default() => default.to_owned(),
            None => format!("{}{default}", self.prefix),
        }
    }

    /// Whether each name is the default.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses names that a kind of database does not take, or would change.
    ///
    /// # Errors
    /// If a name is longer than the database takes; on PostgreSQL, if it has capital letters, which PostgreSQL folds; on
    /// SQLite, if there is a schema.
    pub fn check(&self, dialect: Dialect) -> Result<(), NameError> {
        let parts = [
            (NamePart::Schema, self.schema.as_deref()),
            (NamePart::Prefix, Some(&*self.prefix)),
            (NamePart::Records, Some(&*self.records)),
            (NamePart::Outbox, Some(&*self.outbox)),
        ];
        for (part, name) in parts {
            let Some(name) = name else { continue };
            let max = dialect.name_bytes_max();
            let problem = match dialect {
                _ if name.len() > max => Some(NameProblem::TooLong { bytes: name.len(), max }),
                Dialect::Sqlite if part == NamePart::Schema => Some(NameProblem::NoSchemas),
                Dialect::Postgres if name.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                    Some(NameProblem::Folded)
                }
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(NameError::new(part, name, problem));
            }
        }
        Ok(())
    }

    /// Refuses names of which two are the same: tables and indexes share one room on some of the databases.
    fn distinct(self) -> Result<Self, NameError> {
        let derived = Table::ALL.into_iter().filter(|table| !matches!(table, Table::Records | Table::Outbox));
        let mut others: Vec<String> = derived.map(|table| self.table(table)).collect();
        others.extend(INDEXES.iter().map(|(name, _)| self.index(name)));
        let taken = |name: &str| others.iter().any(|other| other.eq_ignore_ascii_case(name));
        if taken(&self.records) {
            return Err(NameError::new(NamePart::Records, &self.records, NameProblem::Taken));
        }
        if taken(&self.outbox) || self.outbox.eq_ignore_ascii_case(&self.records) {
            return Err(NameError::new(NamePart::Outbox, &self.outbox, NameProblem::Taken));
        }
        Ok(self)
    }
}

impl fmt::Debug for TableNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TableNames({}, {}, {}*)",
            self.qualified(Table::Records),
            self.qualified(Table::Outbox),
            self.prefix
        )
    }
}

/// Refuses what is no identifier.
fn checked(part: NamePart, name: &str, bytes_max: usize) -> Result<(), NameError> {
    let wrong = |character: &char| !character.is_ascii_alphanumeric() && *character != '_';
    let lower = name.to_ascii_lowercase();
    let problem = if name.is_empty() {
        NameProblem::Empty
    } else if let Some(character) = name.chars().find(wrong) {
        NameProblem::Character(character)
    } else if name.starts_with(|first: char| first.is_ascii_digit()) {
        NameProblem::Digit
    } else if name.len() > bytes_max {
        NameProblem::TooLong { bytes: name.len(), max: bytes_max }
    } else if reserved::is_reserved(&lower) {
        NameProblem::Reserved
    } else if let Some(system) =
        reserved::SYSTEM_PREFIXES.into_iter().find(|system| lower.starts_with(system))
    {
        NameProblem::System(system)
    } else {
        return Ok(());
    };
    Err(NameError::new(part, name, problem))
}

#[cfg(test)]
mod tests;
