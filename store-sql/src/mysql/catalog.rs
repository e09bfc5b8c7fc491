//! What tables a MariaDB or MySQL database has.

use std::collections::BTreeMap;

use sqlx::{MySqlConnection, Row};

use super::server::Conn;
use crate::schema::{Found, FoundIndex, Marks, Note, READ_MARKS, READ_NOTE, guard_name};
use crate::{Table, TableNames};

/// As text: MySQL's catalogue has it as bytes.
const COLUMNS: &str = "select cast(table_name as char), cast(column_name as char) from information_schema.columns where \
                       table_schema = coalesce(?, database())";

const VIEWS: &str = "select cast(table_name as char) from information_schema.views where table_schema = coalesce(?, \
                     database())";

const INDEXES: &str = "select cast(table_name as char), cast(index_name as char), cast(column_name as char) from \
                       information_schema.statistics where table_schema = coalesce(?, database()) and index_name <> \
                       'PRIMARY' order by table_name, index_name, seq_in_index";

/// Seen only by those who may make triggers.
const GUARDS: &str = "select count(*) from information_schema.triggers where trigger_schema = coalesce(?, database()) and \
                      trigger_name = ?";

/// The store's tables by the names that the server has for them.
struct Named {
    tables: BTreeMap<String, Table>,
    /// Whether the server makes no difference between capital and small letters.
    folds: bool,
}

impl Named {
    async fn ask(connection: &mut MySqlConnection, names: &TableNames) -> Result<Self, sqlx::Error> {
        let how: i64 = sqlx::query_scalar("select cast(@@lower_case_table_names as signed)")
            .fetch_one(connection)
            .await?;
        let folds = how != 0;
        let name = |table| if folds { names.table(table).to_ascii_lowercase() } else { names.table(table) };
        Ok(Self { tables: Table::ALL.map(|table| (name(table), table)).into(), folds })
    }

    fn table(&self, name: &str) -> Option<Table> {
        match self.folds {
            true => self.tables.get(&name.to_ascii_lowercase()).copied(),
            false => self.tables.get(name).copied(),
        }
    }
}

/// What there is of the store's tables.
pub(super) async fn found(connection: &mut Conn<'_>) -> Result<Found, sqlx::Error> {
    let names = connection.names();
    let named = Named::ask(connection.raw(), names).await?;
    let mut found = Found::default();
    for row in sqlx::query(COLUMNS).bind(names.schema()).fetch_all(connection.raw()).await? {
        if let Some(table) = named.table(row.try_get(0)?) {
            let column = row.try_get::<String, _>(1)?.to_lowercase();
            found.tables.entry(table).or_default().columns.insert(column);
        }
    }
    for row in sqlx::query(INDEXES).bind(names.schema()).fetch_all(connection.raw()).await? {
        if let Some(table) = named.table(row.try_get(0)?) {
            let indexes = &mut found.tables.entry(table).or_default().indexes;
            // One that is there is whole.
            let new = || FoundIndex { whole: true, columns: Vec::new() };
            let column: String = row.try_get(2)?;
            indexes.entry(row.try_get(1)?).or_insert_with(new).columns.push(column.to_lowercase());
        }
    }
    let query = sqlx::query_scalar::<_, String>(VIEWS).bind(names.schema());
    found.views =
        query.fetch_all(connection.raw()).await?.iter().filter_map(|name| named.table(name)).collect();
    let guards = sqlx::query_scalar::<_, i64>(GUARDS).bind(names.schema()).bind(guard_name(names));
    found.guard = guards.fetch_one(connection.raw()).await? > 0;
    found.note = note_in(connection, &found).await?;
    Ok(found)
}

/// What is noted of the tables.
pub(super) async fn note(connection: &mut Conn<'_>) -> Result<Option<Note>, sqlx::Error> {
    let names = connection.names();
    let text = format!("{COLUMNS} and table_name = ?");
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(names.schema()).bind(names.table(Table::Schema));
    let mut found = Found::default();
    for row in query.fetch_all(connection.raw()).await? {
        let column = row.try_get::<String, _>(1)?.to_lowercase();
        found.tables.entry(Table::Schema).or_default().columns.insert(column);
    }
    note_in(connection, &found).await
}

async fn note_in(connection: &mut Conn<'_>, found: &Found) -> Result<Option<Note>, sqlx::Error> {
    let Some(table) = found.tables.get(&Table::Schema) else { return Ok(None) };
    if !["version", "oldest_program"].iter().all(|column| table.columns.contains(*column)) {
        return Ok(None);
    }
    let Some(row) = sqlx::query(connection.sql(READ_NOTE)).fetch_optional(connection.raw()).await? else {
        return Ok(None);
    };
    let mut note = Note { version: row.try_get(0)?, oldest_program: row.try_get(1)?, marks: None };
    if table.columns.contains("adopted")
        && let Some(row) = sqlx::query(connection.sql(READ_MARKS)).fetch_optional(connection.raw()).await?
    {
        let (records, outbox): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let adopted = row.try_get::<i32, _>(2)? != 0;
        note.marks = records.zip(outbox).map(|(records, outbox)| Marks { records, outbox, adopted });
    }
    Ok(Some(note))
}
