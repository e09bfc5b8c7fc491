//! The tables and indexes that the engine needs, from the text that makes them.

use std::sync::OnceLock;

use super::session::Dialect;
use crate::names::{TWIN, TWINNED, Table};
use crate::schema::{Definition, IndexSet};

/// The definition that is meant by a way of speaking SQL. In MySQL's only a collation has another name.
fn definition(dialect: Dialect) -> Definition {
    Definition::of(match dialect {
        Dialect::MySql => crate::Dialect::MariaDb,
        Dialect::Postgres => crate::Dialect::Postgres,
        Dialect::Sqlite => crate::Dialect::Sqlite,
    })
}

/// The names of the tables.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    Table::ALL.into_iter().map(Table::default_name)
}

/// The names of the tables that have to do with runs.
pub(super) fn tables_of_runs() -> impl Iterator<Item = &'static str> {
    tables().filter(|table| *table != Table::Schema.default_name())
}

/// The columns of a table.
pub(super) fn columns(dialect: Dialect, table: &str) -> Vec<String> {
    let definition = definition(dialect);
    let found = definition.tables.iter().find(|each| each.table.default_name() == table);
    found.map_or_else(Vec::new, |found| found.columns.iter().map(|column| column.name.clone()).collect())
}

/// An index that the engine needs. Primary keys are not among them: each server names its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) table: &'static str,
    pub(super) name: String,
    pub(super) columns: String,
    pub(super) unique: bool,
    /// Which rows are in it; empty if all are.
    pub(super) filter: String,
    /// What follows the name of its table in the statement that makes it.
    on: String,
}

/// Over which columns an index on the records is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Over {
    /// The keys.
    #[default]
    Keys,
    /// The twins of the keys, as in tables that were taken over on MariaDB and MySQL.
    Twins,
}

impl Index {
    fn of(table: &'static str, index: &crate::schema::Index) -> Self {
        let on = index.on.split_whitespace().collect::<Vec<_>>().join(" ");
        let filter = on.split_once(" where ").map_or("", |(_, filter)| filter).to_owned();
        let columns = index.columns().join(", ");
        Self { table, name: index.name.clone(), columns, unique: index.unique, filter, on }
    }

    /// The statement that makes it.
    pub(super) fn statement(&self, dialect: Dialect, over: Over) -> String {
        let Self { table, name, .. } = self;
        let unique = if self.unique { "unique " } else { "" };
        let on = match over {
            Over::Twins if *table == Table::Records.default_name() => {
                TWINNED.iter().fold(self.on.clone(), |on, key| on.replace(key, &format!("{key}{TWIN}")))
            }
            Over::Keys | Over::Twins => self.on.clone(),
        };
        match dialect {
            Dialect::MySql => format!("alter table {table} add {unique}key {name} {on}"),
            Dialect::Postgres => format!("create {unique}index concurrently {name} on {table} {on}"),
            Dialect::Sqlite => format!("create {unique}index {name} on {table} {on}"),
        }
    }
}

/// The indexes beside the primary keys; that of the live runs is the first.
pub(super) fn indexes(dialect: Dialect) -> &'static [Index] {
    static INDEXES: [OnceLock<Vec<Index>>; 3] = [const { OnceLock::new() }; 3];
    INDEXES[dialect as usize].get_or_init(|| {
        let definition = definition(dialect);
        let lean = |table: &crate::schema::TableDefinition| {
            let name = table.table.default_name();
            let lean = table.indexes.iter().filter(|index| index.set == IndexSet::Lean);
            lean.map(|index| Index::of(name, index)).collect::<Vec<_>>()
        };
        definition.tables.iter().flat_map(lean).collect()
    })
}

/// The index that lets one unfinished run of a key in.
pub(super) fn live_key(dialect: Dialect) -> &'static Index {
    let live = indexes(dialect).iter().find(|index| index.name == "workflow_records_live");
    live.expect("every dialect has it")
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
        let live = |dialect, over| live_key(dialect).statement(dialect, over);
        assert_eq!(
            live(Dialect::MySql, Over::Keys),
            "alter table workflow_records add unique key workflow_records_live (workflow_name, live, foreign_id, age)"
        );
        assert_eq!(
            live(Dialect::MySql, Over::Twins),
            "alter table workflow_records add unique key workflow_records_live (workflow_name_bin, live, foreign_id_bin, age)"
        );
        assert_eq!(
            live(Dialect::Postgres, Over::Keys),
            "create unique index concurrently workflow_records_live on workflow_records (workflow_name, foreign_id) where live"
        );
        assert_eq!(
            live(Dialect::Sqlite, Over::Keys),
            "create unique index workflow_records_live on workflow_records (workflow_name, foreign_id) where live = 1"
        );
    }

    #[test]
    fn indexes_are_read_from_the_text_that_makes_them() {
        let found = indexes(Dialect::Postgres).iter().find(|index| index.name == "workflow_timeouts_due");
        let due = found.map(|index| (index.table, &*index.columns, index.unique, &*index.filter));
        assert_eq!(due, Some(("workflow_timeouts", "workflow_name, expire_at", false, "state = 0")));
        for dialect in [Dialect::MySql, Dialect::Postgres, Dialect::Sqlite] {
            assert!(indexes(dialect).len() >= 7, "{dialect:?}");
            assert!(live_key(dialect).unique);
        }
    }

    #[test]
    fn every_table_of_runs_has_a_primary_key() {
        for table in tables_of_runs() {
            let columns = columns(Dialect::Postgres, table);
            let is_there = |key: &str| columns.iter().any(|column| column == key);
            assert!(primary_key(table).split(", ").all(is_there), "{table}");
        }
    }
}
