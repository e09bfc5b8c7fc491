//! Why tables cannot be migrated or used.

use std::fmt;

use workflow_core::adapter::{BackendError, ErrorKind};

/// How many duplicates a message names.
const NAMED_MAX: usize = 10;

/// Several unfinished runs of one workflow and foreign id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The workflow.
    pub workflow_name: String,
    /// The business key.
    pub foreign_id: String,
    /// The ids of the runs as they are stored, the newest first.
    pub runs: Vec<String>,
}

/// Why the tables cannot be migrated, or cannot be used as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The database failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Tables that were made elsewhere have several unfinished runs of a foreign id, of which there may be one.
    #[error(
        "{place} has more than one unfinished run of each of {} foreign ids, and there may be one: end all but one of \
         them, or run `workflowctl migrate --cancel-duplicates`, which keeps the newest ({})",
        duplicates.len(),
        named(duplicates)
    )]
    Duplicates {
        /// The database.
        place: String,
        /// All of them.
        duplicates: Vec<Duplicate>,
    },
    /// A run that is to be cancelled cannot be.
    #[error("{place}: the run {run_id} is to be cancelled as a duplicate, and {why}: end it by hand")]
    NotCancelled {
        /// The database.
        place: String,
        /// The run's id as it is stored.
        run_id: String,
        /// What keeps it from being cancelled.
        why: String,
    },
    /// There is a table of that name that is not one of the store's.
    #[error(
        "{place} has a table {table} that is not the store's: it has no column {}; choose other names for the store's \
         tables",
        missing.join(", ")
    )]
    OtherTable {
        /// The database.
        place: String,
        /// The table.
        table: String,
        /// The columns that it would have.
        missing: Vec<String>,
    },
    /// There is a view of a table's name.
    #[error(
        "{place}: {table} is a view, and the store needs a table of that name: name the table that is behind it, rename the \
         view, or choose other names for the store's tables"
    )]
    View {
        /// The database.
        place: String,
        /// The view.
        table: String,
    },
    /// The prefix is that of another store's tables.
    #[error(
        "{place}: the tables with the prefix {prefix:?} belong to {records} and {outbox}: choose another prefix, or these \
         names"
    )]
    OtherStore {
        /// The database.
        place: String,
        /// The prefix.
        prefix: String,
        /// The table of that store's records.
        records: String,
        /// The table of that store's outbox.
        outbox: String,
    },
    /// The tables are older than this program needs.
    #[error("{place} has {}, and this program needs version {needed}: run `workflowctl migrate`", of_version(*found))]
    TooOld {
        /// The database.
        place: String,
        /// The version that it has, if it has tables.
        found: Option<i32>,
        /// The version that is needed.
        needed: i32,
    },
    /// The tables are newer than this program can use.
    #[error(
        "{place} has tables of version {found}, which programs of version {oldest_program} and newer can use; this one is \
         of version {program}: use a newer program"
    )]
    TooNew {
        /// The database.
        place: String,
        /// The version that it has.
        found: i32,
        /// The oldest program that can use it.
        oldest_program: i32,
        /// The version of this program.
        program: i32,
    },
    /// The tables are to be migrated, and the user may not.
    #[error(
        "{place} has {}, this program needs version {needed}, and its user may not migrate them: run the migrations as one \
         who may create and alter tables",
        of_version(*found)
    )]
    NotAllowed {
        /// The database.
        place: String,
        /// The version that it has, if it has tables.
        found: Option<i32>,
        /// The version that is needed.
        needed: i32,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The guard is to be made or dropped, and the user may not.
    #[error(
        "{place}: its user may not make or drop the guard of {table}: grant it the right to make triggers; where MariaDB or \
         MySQL write a binary log, set log_bin_trust_function_creators = 1 on the server, too, or migrate as an administrator"
    )]
    GuardNotAllowed {
        /// The database.
        place: String,
        /// The table of the records.
        table: String,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn of_version(found: Option<i32>) -> impl fmt::Display {
    found.map_or_else(|| "no tables".to_owned(), |version| format!("tables of version {version}"))
}

/// Their run ids: foreign ids are the user's data and stay out of messages.
fn named(duplicates: &[Duplicate]) -> String {
    let mut named: Vec<String> = duplicates.iter().take(NAMED_MAX).map(named_one).collect();
    if duplicates.len() > NAMED_MAX {
        named.push(format!("and {} more", duplicates.len() - NAMED_MAX));
    }
    named.join("; ")
}

fn named_one(duplicate: &Duplicate) -> String {
    format!("workflow {}, runs {}", duplicate.workflow_name, duplicate.runs.join(" and "))
}

impl From<MigrateError> for BackendError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Backend(error) => error,
            other => {
                let context = other.to_string();
                BackendError::with_source(ErrorKind::Permanent, context, other)
            }
        }
    }
}

impl MigrateError {
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn not_cancelled(place: &str, run_id: workflow_core::RunId, why: impl fmt::Display) -> Self {
        Self::NotCancelled { place: place.to_owned(), run_id: run_id.to_string(), why: why.to_string() }
    }
}
