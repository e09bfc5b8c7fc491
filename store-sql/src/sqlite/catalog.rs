//! What tables a SQLite file has.

use sqlx::Row;

use super::open::Conn;
use crate::Table;
use crate::schema::{Found, FoundIndex, FoundTable, Marks, Note, READ_MARKS, READ_NOTE, guard_name};

const TABLES: &str = "select name from sqlite_master where type = 'table' and name = ? collate nocase";

const VIEWS: &str = "select count(*) from sqlite_master where type = 'view' and name = ? collate nocase";

const GUARDS: &str = "select count(*) from sqlite_master where type = 'trigger' and name = ? collate nocase";

const COLUMNS: &str = "select name from pragma_table_info(?)";

const INDEXES: &str = "select m.name, i.name from sqlite_master m join pragma_index_info(m.name) i where m.type = 'index' and \
                       m.tbl_name = ? and m.sql is not null order by m.name, i.seqno";

/// What there is of the store's tables.
pub(super) async fn found(connection: &mut Conn<'_>) -> Result<Found, sqlx::Error> {
    let mut found = Found::default();
    for table in Table::ALL {
        if let Some(its) = found_table(connection, table).await? {
            found.tables.insert(table, its);
        }
        let name = connection.names().table(table);
        let views: i64 = sqlx::query_scalar(VIEWS).bind(name).fetch_one(connection.raw()).await?;
        found.views.extend((views > 0).then_some(table));
    }
    let guards = sqlx::query_scalar::<_, i64>(GUARDS).bind(guard_name(connection.names()));
    found.guard = guards.fetch_one(connection.raw()).await? > 0;
    found.note = note_in(connection, found.tables.get(&Table::Schema)).await?;
    Ok(found)
}

/// What is noted of the tables.
pub(super) async fn note(connection: &mut Conn<'_>) -> Result<Option<Note>, sqlx::Error> {
    let found = found_table(connection, Table::Schema).await?;
    note_in(connection, found.as_ref()).await
}

async fn found_table(connection: &mut Conn<'_>, table: Table) -> Result<Option<FoundTable>, sqlx::Error> {
    let name = connection.names().table(table);
    let found = sqlx::query_scalar::<_, String>(TABLES).bind(name).fetch_optional(connection.raw()).await?;
    let Some(name) = found else { return Ok(None) };
    let columns: Vec<String> = sqlx::query_scalar(COLUMNS).bind(&name).fetch_all(connection.raw()).await?;
    let mut found = FoundTable::default();
    found.columns.extend(columns.into_iter().map(|column| column.to_lowercase()));
    let indexed: Vec<(String, String)> =
        sqlx::query_as(INDEXES).bind(&name).fetch_all(connection.raw()).await?;
    for (index, column) in indexed {
        let new = || FoundIndex { whole: true, columns: Vec::new() };
        found.indexes.entry(index).or_insert_with(new).columns.push(column.to_lowercase());
    }
    Ok(Some(found))
}

async fn note_in(connection: &mut Conn<'_>, found: Option<&FoundTable>) -> Result<Option<Note>, sqlx::Error> {
    let Some(table) = found else { return Ok(None) };
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
