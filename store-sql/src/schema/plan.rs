//! What a database needs so that it has the tables of this program: from what is there to steps, as pure code.

use super::definition::{TableDefinition, in_dialect, index_name};
use super::{
    Column, Definition, Done, Found, FoundIndex, FoundTable, Index, IndexSet, MigrateError, VERSION, guard,
    note_sql,
};
use crate::Dialect;
use crate::names::{Keys, TWIN, TWINNED, Table, TableNames, rendered};

/// The columns that the Go library's guide gives its two tables: whatever has them is taken over.
const OF_THE_GUIDE: [(Table, usize); 2] = [(Table::Records, 9), (Table::Outbox, 4)];

/// What is asked of a migration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) place: &'a str,
    pub(crate) names: &'a TableNames,
    /// `None` leaves the indexes that are there, and makes new tables with the lean set.
    pub(crate) indexes: Option<IndexSet>,
    /// `None` leaves the guard as it is, and makes new tables without.
    pub(crate) guard: Option<bool>,
}

/// One step of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a table with its lean indexes.
    MakeTable(Table),
    /// Note that tables are being taken over, so that an interrupted migration is gone on with as one.
    BeginAdoption,
    /// Add columns to a table that is there.
    AddColumns(Table, Vec<Column>),
    /// Look for foreign ids with several unfinished runs.
    EndDuplicates,
    /// Make an index that does not come with its table; first remove what is left of it.
    MakeIndex { table: Table, index: Index, remake: bool, beside: Beside },
    /// Drop an index of the guide's set.
    DropIndex { table: Table, index: Index },
    /// Note the version.
    NoteVersion,
    /// Make the guard of the records.
    MakeGuard,
    /// Drop it.
    DropGuard,
}

/// Whether a table is in use while an index is made on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// It was just made.
    Nothing,
    /// Others read and write it.
    Work,
}

/// The steps, and what they begin with.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) from: Option<i32>,
    pub(crate) to: i32,
    pub(crate) adopted: bool,
    pub(crate) steps: Vec<Step>,
}

impl Plan {
    /// Whether nothing that is there is altered.
    pub(crate) fn only_makes_tables(&self) -> bool {
        self.from.is_none() && !self.adopted
    }
}

/// What is to be done.
///
/// # Errors
/// If a table is in the way, or the tables are too new.
pub(crate) fn plan(definition: &Definition, found: &Found, wish: Wish<'_>) -> Result<Plan, MigrateError> {
    let from = found.note.as_ref().map(|note| note.version).filter(|version| *version > 0);
    if let Some(note) = &found.note {
        tolerated(note.version, note.oldest_program, wish.place)?;
        note.refuse_other_store(wish)?;
        if note.version > VERSION {
            let adopted = note.is_adopted();
            let steps = guard::step(found, wish).into_iter().collect();
            return Ok(Plan { from, to: note.version, adopted, steps });
        }
    }
    let planner = Planner::new(definition, found, wish);
    planner.refuse_other_tables()?;
    Ok(Plan { from, to: VERSION, adopted: planner.adopted, steps: planner.steps() })
}

/// Refuses tables that this program is too old for.
pub(crate) fn tolerated(version: i32, oldest_program: i32, place: &str) -> Result<(), MigrateError> {
    if oldest_program <= VERSION {
        return Ok(());
    }
    Err(MigrateError::TooNew { place: place.to_owned(), found: version, oldest_program, program: VERSION })
}

struct Planner<'a> {
    definition: &'a Definition,
    found: &'a Found,
    wish: Wish<'a>,
    adopted: bool,
}

impl<'a> Planner<'a> {
    fn new(definition: &'a Definition, found: &'a Found, wish: Wish<'a>) -> Self {
        let without = |table, column: &str| {
            found.tables.get(&table).is_some_and(|table| !table.columns.contains(column))
        };
        let elsewhere = without(Table::Records, "live") || without(Table::Outbox, "run_id");
        let adopted = elsewhere || found.note.as_ref().is_some_and(super::Note::is_adopted);
        Self { definition, found, wish, adopted }
    }

    /// Refuses tables that have the names of the store's and are none of them.
    fn refuse_other_tables(&self) -> Result<(), MigrateError> {
        if let Some(view) = self.found.views.first() {
            let (place, table) = (self.wish.place.to_owned(), self.wish.names.table(*view));
            return Err(MigrateError::View { place, table });
        }
        for table in &self.definition.tables {
            let Some(found) = self.found.tables.get(&table.table) else { continue };
            let needed = match OF_THE_GUIDE.into_iter().find(|(guide, _)| *guide == table.table) {
                Some((_, columns)) if self.definition.dialect != Dialect::Sqlite => columns,
                Some(_) => table.columns.len(),
                // What version 1 had of it.
                None if table.table == Table::Schema => 2,
                // A table that was made by an older program lacks some of them, but never all.
                None if self.found.note.is_some()
                    && table.columns.iter().any(|column| found.columns.contains(&column.name)) =>
                {
                    0
                }
                None => table.columns.len(),
            };
            let missing = missing(&table.columns[..needed], found);
            if !missing.is_empty() {
                return Err(MigrateError::OtherTable {
                    place: self.wish.place.to_owned(),
                    table: self.wish.names.table(table.table),
                    missing: missing.into_iter().map(|column| column.name).collect(),
                });
            }
        }
        Ok(())
    }

    fn steps(&self) -> Vec<Step> {
        let is_there = |table: &&TableDefinition| self.found.tables.contains_key(&table.table);
        let tables = || self.definition.tables.iter();
        let mut steps: Vec<Step> = Vec::new();
        let columns = |table: &TableDefinition, found: &FoundTable| {
            let missing = missing(&self.columns(table), found);
            (!missing.is_empty()).then_some(Step::AddColumns(table.table, missing))
        };
        let (noted, others): (Vec<_>, Vec<_>) = tables().partition(|table| table.table == Table::Schema);
        for table in noted {
            match self.found.tables.get(&table.table) {
                None => steps.push(Step::MakeTable(table.table)),
                Some(found) => steps.extend(columns(table, found)),
            }
        }
        if self.adopted && !self.found.note.as_ref().is_some_and(super::Note::is_adopted) {
            steps.push(Step::BeginAdoption);
        }
        for table in &others {
            match self.found.tables.get(&table.table) {
                None => steps.push(Step::MakeTable(table.table)),
                Some(found) => steps.extend(columns(table, found)),
            }
        }
        let indexes: Vec<Step> = tables().flat_map(|table| self.indexes(table)).collect();
        let is_live = |step: &Step| matches!(step, Step::MakeIndex { index, .. } if index.name == LIVE);
        if tables().any(|table| table.table == Table::Records && is_there(&table))
            && indexes.iter().any(is_live)
        {
            steps.push(Step::EndDuplicates);
        }
        steps.extend(indexes);
        let is_noted =
            self.found.note.as_ref().is_some_and(|note| note.version == VERSION && note.marks.is_some());
        if !steps.is_empty() || !is_noted {
            steps.push(Step::NoteVersion);
        }
        steps.extend(guard::step(self.found, self.wish));
        steps
    }

    /// The columns that a table needs; one that was taken over needs twins of those whose collation tells too little apart.
    fn columns(&self, table: &TableDefinition) -> Vec<Column> {
        let mut columns = table.columns.clone();
        if table.table == Table::Records && self.has_twins() {
            columns.extend(TWINNED.map(twin));
        }
        columns
    }

    fn has_twins(&self) -> bool {
        self.adopted && matches!(self.definition.dialect, Dialect::MariaDb | Dialect::MySql)
    }

    fn indexes(&self, table: &TableDefinition) -> Vec<Step> {
        let none = FoundTable::default();
        let found = self.found.tables.get(&table.table);
        let mut steps = Vec::new();
        for index in &table.indexes {
            let name = index_name(self.wish.names, self.definition.dialect, &index.name);
            let there = found.unwrap_or(&none).indexes.get(&name);
            let wanted = match index.set {
                // A table that is made has them.
                IndexSet::Lean => found.is_some(),
                IndexSet::Guide => self.wish.indexes == Some(IndexSet::Guide),
            };
            let unwanted =
                index.set == IndexSet::Guide && self.wish.indexes == Some(IndexSet::Lean) && !self.adopted;
            let index = self.twinned(table.table, index);
            // One of the guide's is left as it is.
            let is_like =
                |there: &FoundIndex| index.set == IndexSet::Guide || there.columns == index.columns();
            let is_right = there.is_some_and(|there| there.whole && is_like(there));
            if wanted && !is_right {
                let beside = if found.is_some() { Beside::Work } else { Beside::Nothing };
                let (table, remake) = (table.table, there.is_some());
                steps.push(Step::MakeIndex { table, index, remake, beside });
            } else if unwanted && there.is_some() {
                steps.push(Step::DropIndex { table: table.table, index });
            }
        }
        steps
    }

    /// The index over the twins of its columns, where they have some. Those of the guide are as the guide has them.
    fn twinned(&self, table: Table, index: &Index) -> Index {
        let mut index = index.clone();
        if table == Table::Records && self.has_twins() && index.set == IndexSet::Lean {
            for column in TWINNED {
                index.on = index.on.replace(column, &format!("{column}{TWIN}"));
            }
        }
        index
    }
}

/// The index that lets one unfinished run of a foreign id in.
const LIVE: &str = "workflow_records_live";

fn missing(wanted: &[Column], found: &FoundTable) -> Vec<Column> {
    wanted.iter().filter(|column| !found.columns.contains(&column.name)).cloned().collect()
}

/// The twin of a column: the same text in a collation that tells any two texts apart.
fn twin(column: &str) -> Column {
    let name = format!("{column}{TWIN}");
    let declared =
        format!("{name} varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin as ({column}) virtual");
    Column { name, declared }
}

impl Step {
    /// The statements of a step; none for what is more than SQL.
    pub(crate) fn statements(
        &self,
        definition: &Definition,
        names: &TableNames,
        adopted: bool,
    ) -> Vec<String> {
        let dialect = definition.dialect;
        let texts = match self {
            Step::MakeTable(table) => make_table(definition.table(*table)),
            Step::AddColumns(table, columns) => add_columns(dialect, *table, columns),
            Step::MakeIndex { table, index, remake, beside } => {
                let drop = remake.then(|| drop_index(dialect, *table, &index.name, names.schema()));
                make_index(dialect, *table, index, *beside, drop)
            }
            Step::DropIndex { table, index } => {
                vec![drop_index(dialect, *table, &index.name, names.schema())]
            }
            Step::BeginAdoption => return vec![note(dialect, names, 0, true)],
            Step::NoteVersion => return vec![note(dialect, names, VERSION, adopted)],
            Step::MakeGuard => return guard::make(dialect, names),
            Step::DropGuard => return guard::drop(dialect, names),
            Step::EndDuplicates => return Vec::new(),
        };
        let texts = texts.into_iter().map(|text| rendered(&text, names, Keys::Plain));
        texts.map(|text| in_dialect(text, dialect)).collect()
    }

    /// What is told of it when it is done.
    pub(crate) fn done(&self, dialect: Dialect, names: &TableNames) -> Option<Done> {
        let of = |table: &Table| names.table(*table);
        let named = |index: &Index| index_name(names, dialect, &index.name);
        Some(match self {
            Step::MakeTable(table) => Done::TableMade { table: of(table) },
            Step::AddColumns(table, columns) => Done::ColumnsAdded {
                table: of(table),
                columns: columns.iter().map(|column| column.name.clone()).collect(),
            },
            Step::MakeIndex { table, index, remake: false, .. } => {
                Done::IndexMade { table: of(table), index: named(index) }
            }
            Step::MakeIndex { table, index, remake: true, .. } => {
                Done::IndexRemade { table: of(table), index: named(index) }
            }
            Step::DropIndex { table, index } => Done::IndexDropped { table: of(table), index: named(index) },
            Step::NoteVersion => Done::VersionNoted { version: VERSION },
            Step::MakeGuard => Done::GuardMade { table: of(&Table::Records) },
            Step::DropGuard => Done::GuardDropped { table: of(&Table::Records) },
            Step::BeginAdoption | Step::EndDuplicates => return None,
        })
    }
}

fn make_table(table: &TableDefinition) -> Vec<String> {
    let mut texts = vec![table.create.to_owned()];
    let lean = table.indexes.iter().filter(|index| index.set == IndexSet::Lean && !table.indexes_inside);
    texts.extend(lean.map(|index| create_index(table.table, index, "")));
    texts
}

/// Virtual columns go in a statement of their own: together with others they would not be added online.
fn add_columns(dialect: Dialect, table: Table, columns: &[Column]) -> Vec<String> {
    let (computed, stored): (Vec<_>, Vec<_>) = columns.iter().partition(|column| column.is_virtual());
    let parts = [stored, computed].into_iter().filter(|part| !part.is_empty());
    let name = table.default_name();
    parts
        .flat_map(|part| {
            let adds: Vec<String> =
                part.iter().map(|column| format!("add column {}", column.declared)).collect();
            match dialect {
                // It takes one at a time.
                Dialect::Sqlite => adds.iter().map(|add| format!("alter table {name} {add}")).collect(),
                Dialect::Postgres => vec![format!("alter table {name} {}", adds.join(", "))],
                Dialect::MariaDb | Dialect::MySql => {
                    vec![format!("alter table {name} {}{ONLINE}", adds.join(", "))]
                }
            }
        })
        .collect()
}

/// What has MariaDB and MySQL refuse to alter a table in a way that keeps others from writing it.
pub(crate) const ONLINE: &str = ", lock=none";

/// Makes an index, after the statement that drops what is there. MariaDB and MySQL do both at once: statements that force
/// the index would fail in between.
fn make_index(
    dialect: Dialect,
    table: Table,
    index: &Index,
    beside: Beside,
    drop: Option<String>,
) -> Vec<String> {
    let made = match (dialect, beside) {
        (Dialect::Sqlite, _) | (Dialect::Postgres, Beside::Nothing) => create_index(table, index, ""),
        (Dialect::Postgres, Beside::Work) => create_index(table, index, "concurrently "),
        (Dialect::MariaDb | Dialect::MySql, _) => {
            let (unique, name) = (if index.unique { "unique " } else { "" }, &index.name);
            let drop = drop.map_or(String::new(), |_| format!("drop key {name}, "));
            let add = format!("{drop}add {unique}key {name} {}", index.on);
            return vec![format!("alter table {} {add}{ONLINE}", table.default_name())];
        }
    };
    drop.into_iter().chain([made]).collect()
}

fn create_index(table: Table, index: &Index, how: &str) -> String {
    let unique = if index.unique { "unique " } else { "" };
    format!("create {unique}index {how}{} on {} {}", index.name, table.default_name(), index.on)
}

fn drop_index(dialect: Dialect, table: Table, index: &str, schema: Option<&str>) -> String {
    match dialect {
        Dialect::Sqlite => format!("drop index {index}"),
        Dialect::Postgres => {
            let schema = schema.map(|schema| format!("{schema}.")).unwrap_or_default();
            format!("drop index concurrently {schema}{index}")
        }
        Dialect::MariaDb | Dialect::MySql => {
            format!("alter table {} drop key {index}{ONLINE}", table.default_name())
        }
    }
}

/// Both statements or none: who looks in between would find no tables.
fn note(dialect: Dialect, names: &TableNames, version: i32, adopted: bool) -> String {
    let text = format!(
        "delete from {}; {}",
        names.qualified(Table::Schema),
        note_sql(dialect, names, version, adopted)
    );
    match dialect {
        Dialect::MariaDb | Dialect::MySql => format!("start transaction; {text}; commit"),
        // The statements of one text are one transaction there, and on SQLite the whole migration is.
        Dialect::Postgres | Dialect::Sqlite => text,
    }
}
