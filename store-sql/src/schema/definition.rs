//! What the tables are, read from the text that makes them.

use super::IndexSet;
use crate::Dialect;
use crate::names::{Table, TableNames};

/// The SQL that makes the tables, with the default names.
pub(super) const fn text(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => include_str!("../../migrations/sqlite/tables.sql"),
        Dialect::MariaDb | Dialect::MySql => include_str!("../../migrations/mysql/tables.sql"),
        Dialect::Postgres => include_str!("../../migrations/postgres/tables.sql"),
    }
}

/// The SQL that makes the guide's indexes.
pub(super) const fn guide(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => include_str!("../../migrations/sqlite/guide_indexes.sql"),
        Dialect::MariaDb | Dialect::MySql => include_str!("../../migrations/mysql/guide_indexes.sql"),
        Dialect::Postgres => include_str!("../../migrations/postgres/guide_indexes.sql"),
    }
}

/// A text for a server: MariaDB and MySQL call the binary collation without padding by different names.
pub(crate) fn in_dialect(text: String, dialect: Dialect) -> String {
    match dialect {
        Dialect::MySql => text.replace("utf8mb4_nopad_bin", "utf8mb4_0900_bin"),
        Dialect::Sqlite | Dialect::MariaDb | Dialect::Postgres => text,
    }
}

/// A column as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its name and declaration.
    pub(crate) declared: String,
}

impl Column {
    fn new(declared: &str) -> Self {
        let name = declared.split(' ').next().unwrap_or(declared).trim_matches('`').to_owned();
        Self { name, declared: declared.to_owned() }
    }

    /// Whether it is computed when it is read.
    pub(crate) fn is_virtual(&self) -> bool {
        self.declared.ends_with(" virtual")
    }
}

/// An index other than the primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    /// Its default name.
    pub(crate) name: String,
    pub(crate) unique: bool,
    /// What follows its name or table: columns, options and condition.
    pub(crate) on: String,
    pub(crate) set: IndexSet,
}

impl Index {
    /// Its columns, in their order.
    pub(crate) fn columns(&self) -> Vec<String> {
        let list = self.on.trim_start_matches('(').split(')').next().unwrap_or_default();
        list.split(',').map(|column| column.trim().trim_matches('`').to_owned()).collect()
    }
}

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct TableDefinition {
    pub(crate) table: Table,
    /// The statement that makes it.
    pub(crate) create: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) indexes: Vec<Index>,
    /// Whether the indexes come with the statement.
    pub(crate) indexes_inside: bool,
}

/// All tables of a kind of database.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) dialect: Dialect,
    pub(crate) tables: Vec<TableDefinition>,
}

impl Definition {
    pub(crate) fn of(dialect: Dialect) -> Self {
        let mut definition = Self { dialect, tables: Vec::new() };
        for statement in statements(text(dialect)) {
            definition.add(statement, IndexSet::Lean);
        }
        for statement in statements(guide(dialect)) {
            definition.add(statement, IndexSet::Guide);
        }
        definition
    }

    pub(crate) fn table(&self, table: Table) -> &TableDefinition {
        self.tables.iter().find(|each| each.table == table).expect("every table is defined")
    }

    fn add(&mut self, statement: &'static str, set: IndexSet) {
        if let Some(rest) = statement.strip_prefix("create table ") {
            self.tables.push(table(statement, rest));
        } else if let Some(rest) = statement.strip_prefix("alter table ") {
            let (table, keys) =
                rest.split_once(char::is_whitespace).expect("a table and what is added to it");
            for key in keys.split(",\n") {
                let key = key.trim().strip_prefix("add ").and_then(|key| key_of(key, set));
                self.add_index(table, key.expect("a key is added"));
            }
        } else {
            let (unique, rest) = match statement.strip_prefix("create unique index ") {
                Some(rest) => (true, rest),
                None => {
                    (false, statement.strip_prefix("create index ").expect("a table or an index is made"))
                }
            };
            let (name, rest) = rest.split_once(char::is_whitespace).expect("an index has a name");
            let rest = rest.trim_start().strip_prefix("on ").expect("an index is on a table");
            let (table, on) = rest.split_once(' ').expect("an index has columns");
            self.add_index(table, Index { name: name.to_owned(), unique, on: on.to_owned(), set });
        }
    }

    fn add_index(&mut self, table: &str, index: Index) {
        let table = self.tables.iter_mut().find(|each| each.table.default_name() == table);
        table.expect("an index comes after its table").indexes.push(index);
    }
}

/// The statements of a text, without the comments before them.
fn statements(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split(";\n").filter_map(|mut statement| {
        statement = statement.trim();
        while statement.starts_with("--") {
            statement = statement.split_once('\n')?.1.trim_start();
        }
        (!statement.is_empty()).then_some(statement)
    })
}

fn table(create: &'static str, rest: &'static str) -> TableDefinition {
    let (name, body) = rest.split_once(" (\n").expect("a table has columns");
    let table =
        Table::ALL.into_iter().find(|table| table.default_name() == name).expect("it is one of the tables");
    let (body, _) = body.split_once("\n)").expect("the columns have an end");
    let (mut columns, mut indexes) = (Vec::new(), Vec::new());
    for line in body.lines().map(|line| line.trim().trim_end_matches(',')) {
        match key_of(line, IndexSet::Lean) {
            Some(index) => indexes.push(index),
            None if line.starts_with("primary key ") => {}
            None => columns.push(Column::new(line)),
        }
    }
    let indexes_inside = !indexes.is_empty();
    TableDefinition { table, create, columns, indexes, indexes_inside }
}

/// `unique key name (columns)`, or without `unique`.
fn key_of(line: &str, set: IndexSet) -> Option<Index> {
    let (unique, rest) = match line.strip_prefix("unique key ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("key ")?),
    };
    // A column may be called `key`.
    let (name, on) = rest.split_once(' ').filter(|(_, on)| on.starts_with('('))?;
    Some(Index { name: name.to_owned(), unique, on: on.to_owned(), set })
}

/// What an index is called in a database.
pub(crate) fn index_name(names: &TableNames, dialect: Dialect, default: &str) -> String {
    match dialect {
        // There it has its name within its table.
        Dialect::MariaDb | Dialect::MySql if !default.starts_with("workflow_") => default.to_owned(),
        _ => names.index(default),
    }
}
