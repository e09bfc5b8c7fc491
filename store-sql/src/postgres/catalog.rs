//! What tables a PostgreSQL database has.

use sqlx::Row;

use super::connect::Conn;
use crate::Table;
use crate::schema::{Found, FoundIndex, Marks, Note, READ_MARKS, READ_NOTE, guard_name};

/// The store's tables are those of the schema that is named, or else those that unqualified names mean. A name that was
/// looked up before may be remembered as missing; the catalogue itself is read anew.
const COLUMNS: &str = "select c.relname::text, a.attname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped where c.relkind in ('r', 'p') and \
    c.relname = any($1) and case when $2::text is null then pg_table_is_visible(c.oid) else n.nspname = $2 end";

/// What has the name of a table and is none: views, those that keep their rows, and tables of other servers.
const VIEWS: &str = "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in \
    ('v', 'm', 'f') and c.relname = any($1) and case when $2::text is null then pg_table_is_visible(c.oid) else n.nspname = \
    $2 end";

const INDEXES: &str = "select c.relname::text, i.relname::text, x.indisvalid, array(select a.attname::text from \
    unnest(x.indkey::smallint[]) with ordinality k(number, place) join pg_attribute a on a.attrelid = c.oid and a.attnum = \
    k.number order by k.place) from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid \
    join pg_namespace n on n.oid = c.relnamespace where c.relname = any($1) and not x.indisprimary and case when $2::text is \
    null then pg_table_is_visible(c.oid) else n.nspname = $2 end";

const GUARDS: &str = "select count(*) from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = \
    c.relnamespace where t.tgname = $1 and c.relname = $2 and case when $3::text is null then pg_table_is_visible(c.oid) else \
    n.nspname = $3 end";

/// What there is of the store's tables.
pub(super) async fn found(connection: &mut Conn<'_>) -> Result<Found, sqlx::Error> {
    let names = connection.names();
    let named = Table::ALL.map(|table| names.table(table));
    let table_of =
        |name: &str| Table::ALL.into_iter().zip(&named).find(|(_, its)| *its == name).map(|(table, _)| table);
    let mut found = Found::default();
    let query = sqlx::query(COLUMNS).bind(&named[..]).bind(names.schema());
    for row in query.fetch_all(connection.raw()).await? {
        if let Some(table) = table_of(row.try_get(0)?) {
            found.tables.entry(table).or_default().columns.insert(row.try_get(1)?);
        }
    }
    let query = sqlx::query(INDEXES).bind(&named[..]).bind(names.schema());
    for row in query.fetch_all(connection.raw()).await? {
        if let Some(table) = table_of(row.try_get(0)?) {
            let index = FoundIndex { whole: row.try_get(2)?, columns: row.try_get(3)? };
            found.tables.entry(table).or_default().indexes.insert(row.try_get(1)?, index);
        }
    }
    let query = sqlx::query_scalar::<_, String>(VIEWS).bind(&named[..]).bind(names.schema());
    found.views = query.fetch_all(connection.raw()).await?.iter().filter_map(|name| table_of(name)).collect();
    let guards = sqlx::query_scalar::<_, i64>(GUARDS).bind(guard_name(names)).bind(names.records());
    found.guard = guards.bind(names.schema()).fetch_one(connection.raw()).await? > 0;
    found.note = note_in(connection, &found).await?;
    Ok(found)
}

/// What is noted of the tables.
pub(super) async fn note(connection: &mut Conn<'_>) -> Result<Option<Note>, sqlx::Error> {
    let names = connection.names();
    let query = sqlx::query(COLUMNS).bind([names.table(Table::Schema)]).bind(names.schema());
    let mut found = Found::default();
    for row in query.fetch_all(connection.raw()).await? {
        found.tables.entry(Table::Schema).or_default().columns.insert(row.try_get(1)?);
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
