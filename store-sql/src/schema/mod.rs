//! The tables: what they are, which programs may use which version of them, and how they come about.
//!
//! One text for each kind of database says what the tables are. From it come the plain SQL for people who apply it by
//! hand ([`schema_sql`]) and the plan of a migration, which adds what a database has not. So both make the same tables,
//! and a migration that was interrupted is gone on with by the next one.

mod definition;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod duplicates;
mod error;
mod found;
mod guard;
mod plan;
mod ready;
mod report;
mod run;

pub(crate) use definition::{Column, Definition, Index, TableDefinition};
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use duplicates::{cancel, duplicates_of};
pub use error::{Duplicate, MigrateError};
pub(crate) use found::{Found, FoundIndex, FoundTable, Marks, Note};
pub(crate) use guard::guard_name;
pub use guard::guard_sql;
#[cfg(feature = "mysql")]
pub(crate) use plan::ONLINE;
pub(crate) use plan::{Plan, Step, Wish, plan, tolerated};
pub(crate) use ready::{Readiness, readiness, too_old};
pub use report::{Done, Migration};
#[cfg(feature = "sqlite")]
pub(crate) use run::planned_from_nothing;
pub(crate) use run::{End, Order, Target, migrate};

use crate::Dialect;
use crate::names::{Keys, Table, TableNames, rendered};

/// The version of the tables that this program makes.
pub(crate) const VERSION: i32 = 3;

/// The oldest program that can still work with the tables of this version: they have all that version 1 reads.
pub(crate) const OLDEST_PROGRAM: i32 = 1;

/// The same for a file: older programs write rows of `workflow_roles` without naming the columns.
const OLDEST_PROGRAM_SQLITE: i32 = 3;

/// The same for tables that were made elsewhere and taken over: version 1 knew nothing of the twins of their columns.
pub(crate) const OLDEST_PROGRAM_ADOPTED: i32 = 2;

/// Which indexes the tables have.
///
/// An index costs more than anything else on the path of a transition, so that the default is what the engine itself
/// needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IndexSet {
    /// Keys, uniqueness, and what the engine's own reads need.
    #[default]
    Lean,
    /// In addition those of the Go library's database guide, for operators who list by status or run state.
    Guide,
}

/// The SQL that makes all tables, as text for people who apply it by hand.
///
/// What it makes is what a migration makes, with the row that says so: a program that connects finds the tables up to
/// date.
///
/// ```
/// use store_sql::{Dialect, IndexSet, TableNames, schema_sql};
/// let text = schema_sql(Dialect::Postgres, &TableNames::prefixed("shop_")?, IndexSet::Lean);
/// assert!(text.contains("create table shop_records ("));
/// # Ok::<(), store_sql::NameError>(())
/// ```
pub fn schema_sql(dialect: Dialect, names: &TableNames, indexes: IndexSet) -> String {
    let mut text = rendered(definition::text(dialect), names, Keys::Plain);
    if indexes == IndexSet::Guide {
        text.push('\n');
        text.push_str(&rendered(definition::guide(dialect), names, Keys::Plain));
    }
    text.push_str(&format!("\n{};\n", note_sql(dialect, names, VERSION, false)));
    definition::in_dialect(text, dialect)
}

/// The row that says what the tables are.
pub(crate) fn note_sql(dialect: Dialect, names: &TableNames, version: i32, adopted: bool) -> String {
    let oldest = match dialect {
        Dialect::Sqlite => OLDEST_PROGRAM_SQLITE,
        Dialect::MariaDb | Dialect::MySql | Dialect::Postgres if adopted => OLDEST_PROGRAM_ADOPTED,
        Dialect::MariaDb | Dialect::MySql | Dialect::Postgres => OLDEST_PROGRAM,
    };
    format!(
        "insert into {} (version, oldest_program, records, outbox, adopted) values ({version}, {oldest}, '{}', '{}', {})",
        names.qualified(Table::Schema),
        names.records(),
        names.outbox(),
        i32::from(adopted)
    )
}

/// The default name of the table, and what the row in it is read with: the columns of the first version.
pub(crate) const READ_NOTE: &str = "select version, oldest_program from workflow_schema";

/// The columns that came with the second version.
pub(crate) const READ_MARKS: &str = "select records, outbox, adopted from workflow_schema";

#[cfg(test)]
mod tests;
