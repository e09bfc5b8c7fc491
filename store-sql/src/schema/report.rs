//! What a migration did.

use std::fmt;

/// One thing that a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done {
    /// A table was made, with its indexes.
    TableMade {
        /// The table.
        table: String,
    },
    /// Columns were added to a table that was there.
    ColumnsAdded {
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
    },
    /// An index was made on a table that was there.
    IndexMade {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
    /// An index was made again: its making had been interrupted before.
    IndexRemade {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
    /// An index of the guide's set was dropped.
    IndexDropped {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
    /// A run was cancelled, because a newer one of its foreign id is unfinished, too.
    RunCancelled {
        /// The run.
        run_id: String,
    },
    /// The guard was made, which lets only the next version of a record in.
    GuardMade {
        /// The table of the records.
        table: String,
    },
    /// The guard was dropped.
    GuardDropped {
        /// The table of the records.
        table: String,
    },
    /// The version of the tables was noted.
    VersionNoted {
        /// The version.
        version: i32,
    },
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Done::TableMade { table } => write!(f, "table {table}: made"),
            Done::ColumnsAdded { table, columns } => write!(f, "table {table}: added {}", columns.join(", ")),
            Done::IndexMade { table, index } => write!(f, "table {table}: made index {index}"),
            Done::IndexRemade { table, index } => {
                write!(f, "table {table}: made index {index} again, which was not whole")
            }
            Done::IndexDropped { table, index } => write!(f, "table {table}: dropped index {index}"),
            Done::RunCancelled { run_id } => write!(f, "run {run_id}: cancelled as a duplicate"),
            Done::GuardMade { table } => write!(f, "table {table}: made the guard"),
            Done::GuardDropped { table } => write!(f, "table {table}: dropped the guard"),
            Done::VersionNoted { version } => write!(f, "tables are of version {version} now"),
        }
    }
}

impl Done {
    /// The same as something that is still to be done, for a plan.
    ///
    /// ```
    /// use store_sql::Done;
    /// let made = Done::TableMade { table: "workflow_records".to_owned() };
    /// assert_eq!(made.to_string(), "table workflow_records: made");
    /// assert_eq!(made.planned(), "table workflow_records: would be made");
    /// ```
    pub fn planned(&self) -> String {
        match self {
            Done::TableMade { table } => format!("table {table}: would be made"),
            Done::ColumnsAdded { table, columns } => {
                format!("table {table}: {} would be added", columns.join(", "))
            }
            Done::IndexMade { table, index } => format!("table {table}: index {index} would be made"),
            Done::IndexRemade { table, index } => {
                format!("table {table}: index {index} would be made again, which is not whole")
            }
            Done::IndexDropped { table, index } => format!("table {table}: index {index} would be dropped"),
            Done::RunCancelled { run_id } => format!("run {run_id}: would be cancelled as a duplicate"),
            Done::GuardMade { table } => format!("table {table}: the guard would be made"),
            Done::GuardDropped { table } => format!("table {table}: the guard would be dropped"),
            Done::VersionNoted { version } => format!("tables would be of version {version}"),
        }
    }
}

/// What a migration found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The version of the tables before; `None` if there were none, or none that a migration had made.
    pub from: Option<i32>,
    /// The version of the tables now.
    pub to: i32,
    /// Whether records and outbox were made elsewhere, as by the Go library's guide, and taken over.
    pub adopted: bool,
    /// What was done, in its order; nothing if the tables were up to date.
    pub done: Vec<Done>,
}

impl fmt::Display for Migration {
    /// One line for each thing that was done.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.done.is_empty() {
            return write!(f, "tables of version {}: nothing to do", self.to);
        }
        let lines: Vec<String> = self.done.iter().map(Done::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
