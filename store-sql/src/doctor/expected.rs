//! The tables and indexes that the engine needs, as its migrations make them.

use super::session::Dialect;

/// A table and its columns. Those that only some dialects have are in [`columns`].
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
}

const TABLES: [Table; 10] = [
    Table { name: "workflow_schema", columns: &["version", "oldest_program"] },
    Table {
        name: "workflow_records",
        columns: &[
            "workflow_name",
            "foreign_id",
            "run_id",
            "run_state",
            "status",
            "object",
            "created_at",
            "updated_at",
            "meta",
            "version",
            "last_event_id",
            "paused_by",
            "start_key",
            "live",
        ],
    },
    Table {
        name: "workflow_outbox",
        columns: &["id", "workflow_name", "data", "created_at", "run_id", "record_version", "bucket"],
    },
    Table {
        name: "workflow_timeouts",
        columns: &[
            "run_id",
            "entered",
            "name",
            "workflow_name",
            "foreign_id",
            "status",
            "state",
            "expire_at",
            "created_at",
        ],
    },
    Table {
        name: "workflow_retries",
        columns: &[
            "run_id",
            "version",
            "process",
            "workflow_name",
            "attempt",
            "due_at",
            "last_error",
            "event",
        ],
    },
    Table {
        name: "workflow_history",
        columns: &[
            "run_id",
            "version",
            "workflow_name",
            "from_status",
            "to_status",
            "run_state",
            "reason",
            "actor",
            "attempt",
            "duration_us",
            "at",
            "object",
        ],
    },
    Table {
        name: "workflow_dead_letters",
        columns: &["id", "workflow_name", "run_id", "version", "process", "reason", "data", "created_at"],
    },
    Table { name: "workflow_inbox", columns: &["run_id", "status", "key", "payload", "applied", "noted"] },
    Table { name: "workflow_slots", columns: &["workflow_name", "foreign_id", "spec", "slot"] },
    Table { name: "workflow_roles", columns: &["role", "epoch"] },
];

/// The names of the tables.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}

/// The columns of a table.
pub(super) fn columns(dialect: Dialect, table: &str) -> Vec<&'static str> {
    let found = TABLES.iter().find(|each| each.name == table);
    let mut columns = found.map_or_else(Vec::new, |table| table.columns.to_vec());
    if dialect == Dialect::MySql && table == "workflow_records" {
        columns.push("age");
    }
    columns
}

/// An index that the engine needs. Primary keys have no name here: each server gives its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) table: &'static str,
    pub(super) name: &'static str,
    pub(super) columns: &'static str,
    pub(super) unique: bool,
    /// Which rows are in it; empty if all are.
    pub(super) filter: &'static str,
}

const fn index(table: &'static str, name: &'static str, columns: &'static str) -> Index {
    Index { table, name, columns, unique: false, filter: "" }
}

impl Index {
    const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    const fn of_rows(self, filter: &'static str) -> Self {
        Self { filter, ..self }
    }

    /// The statement that makes it.
    pub(super) fn statement(&self, dialect: Dialect) -> String {
        let Self { table, name, columns, filter, .. } = self;
        let unique = if self.unique { "unique " } else { "" };
        let filter = if filter.is_empty() { String::new() } else { format!(" where {filter}") };
        match dialect {
            Dialect::MySql => format!("alter table {table} add {unique}key {name} ({columns})"),
            Dialect::Postgres => {
                format!("create {unique}index concurrently {name} on {table} ({columns}){filter}")
            }
            Dialect::Sqlite => format!("create {unique}index {name} on {table} ({columns}){filter}"),
        }
    }
}

const MYSQL: [Index; 8] = [
    index("workflow_records", "workflow_records_live", "workflow_name, live, foreign_id, age").unique(),
    index("workflow_records", "workflow_records_start_key", "workflow_name, start_key").unique(),
    index("workflow_records", "workflow_records_by_age", "workflow_name, created_at"),
    index("workflow_outbox", "workflow_outbox_by_run", "run_id"),
    index("workflow_timeouts", "workflow_timeouts_due", "state, expire_at"),
    index("workflow_retries", "workflow_retries_due", "due_at"),
    index("workflow_dead_letters", "workflow_dead_letters_by_age", "created_at, id"),
    index("workflow_dead_letters", "workflow_dead_letters_by_run", "run_id"),
];

const POSTGRES: [Index; 8] = [
    index("workflow_records", "workflow_records_live", "workflow_name, foreign_id").unique().of_rows("live"),
    index("workflow_records", "workflow_records_start_key", "workflow_name, start_key")
        .unique()
        .of_rows("start_key is not null"),
    index("workflow_records", "workflow_records_by_foreign_id", "workflow_name, foreign_id, created_at"),
    index("workflow_records", "workflow_records_by_age", "workflow_name, created_at"),
    index("workflow_outbox", "workflow_outbox_by_run", "run_id").of_rows("run_id is not null"),
    index("workflow_timeouts", "workflow_timeouts_due", "workflow_name, expire_at").of_rows("state = 0"),
    index("workflow_retries", "workflow_retries_due", "workflow_name, due_at").of_rows("due_at is not null"),
    index("workflow_dead_letters", "workflow_dead_letters_by_run", "run_id").of_rows("run_id is not null"),
];

const SQLITE: [Index; 7] = [
    index("workflow_records", "workflow_records_live", "workflow_name, foreign_id")
        .unique()
        .of_rows("live = 1"),
    index("workflow_records", "workflow_records_start_key", "workflow_name, start_key")
        .unique()
        .of_rows("start_key is not null"),
    index("workflow_records", "workflow_records_by_foreign_id", "workflow_name, foreign_id, created_at"),
    index("workflow_records", "workflow_records_by_age", "workflow_name, created_at"),
    index("workflow_timeouts", "workflow_timeouts_due", "expire_at").of_rows("state = 0"),
    index("workflow_retries", "workflow_retries_due", "due_at").of_rows("due_at is not null"),
    index("workflow_dead_letters", "workflow_dead_letters_by_run", "run_id").of_rows("run_id is not null"),
];

/// The indexes beside the primary keys.
pub(super) fn indexes(dialect: Dialect) -> &'static [Index] {
    match dialect {
        Dialect::MySql => &MYSQL,
        Dialect::Postgres => &POSTGRES,
        Dialect::Sqlite => &SQLITE,
    }
}

/// The columns of a table's primary key.
pub(super) fn primary_key(table: &str) -> &'static str {
    match table {
        "workflow_records" => "run_id",
        "workflow_outbox" | "workflow_dead_letters" => "id",
        "workflow_timeouts" => "run_id, entered, name",
        "workflow_retries" => "run_id, version, process",
        "workflow_history" => "run_id, version",
        "workflow_inbox" => "run_id, status, key",
        "workflow_slots" => "workflow_name, foreign_id, spec, slot",
        "workflow_roles" => "role",
        _ => "",
    }
}

/// What the indexes of the guide are on. They differ in name between its two databases, and operators may have given
/// them others.
pub(super) const OF_THE_GUIDE: [(&str, &str); 4] = [
    ("workflow_records", "workflow_name, foreign_id, status"),
    ("workflow_records", "run_state"),
    ("workflow_records", "created_at"),
    ("workflow_outbox", "workflow_name"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_makes_an_index_in_its_own_words() {
        let live = |dialect| indexes(dialect)[0].statement(dialect);
        assert_eq!(
            live(Dialect::MySql),
            "alter table workflow_records add unique key workflow_records_live (workflow_name, live, foreign_id, age)"
        );
        assert_eq!(
            live(Dialect::Postgres),
            "create unique index concurrently workflow_records_live on workflow_records (workflow_name, foreign_id) where live"
        );
        assert_eq!(
            live(Dialect::Sqlite),
            "create unique index workflow_records_live on workflow_records (workflow_name, foreign_id) where live = 1"
        );
    }

    #[test]
    fn every_table_with_rows_of_runs_has_a_primary_key() {
        for table in tables().filter(|table| *table != "workflow_schema") {
            let columns = columns(Dialect::Postgres, table);
            assert!(primary_key(table).split(", ").all(|column| columns.contains(&column)), "{table}");
        }
    }
}
