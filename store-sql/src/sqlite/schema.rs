//! The tables, and which programs may use which version of them.

use sqlx::Row;
use workflow_core::adapter::{BackendError, ErrorKind};

use super::open::{Conn, Place};
use crate::Table;

/// The migrations in order; each raises the version by one.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/sqlite/0001_tables.sql")];

/// The version of the tables that this program makes.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The oldest program that can still work with the tables of this version: the version that it makes itself.
const OLDEST_PROGRAM: i64 = 1;

/// Makes or checks the tables, safe when several processes start at once.
pub(super) async fn migrate(connection: &mut Conn<'_>, place: &Place) -> Result<(), BackendError> {
    let found = version(connection, place).await?;
    check(found, place)?;
    if found.is_some_and(|(version, _)| version >= VERSION) {
        return Ok(());
    }
    sqlx::raw_sql("begin immediate")
        .execute(connection.raw())
        .await
        .map_err(|error| place.wrap("migrate", error))?;
    let migrated = migrate_in_transaction(connection, place).await;
    let end = if migrated.is_ok() { "commit" } else { "rollback" };
    let ended = sqlx::raw_sql(end).execute(connection.raw()).await;
    migrated?;
    ended.map(drop).map_err(|error| place.wrap("migrate", error))
}

/// Checks that the tables are there, and that this program may use them.
pub(super) async fn require(connection: &mut Conn<'_>, place: &Place) -> Result<(), BackendError> {
    let found = version(connection, place).await?;
    check(found, place)?;
    if found.is_some_and(|(version, _)| version >= VERSION) {
        return Ok(());
    }
    let present =
        found.map_or_else(|| "no tables".to_owned(), |(version, _)| format!("tables of version {version}"));
    let context =
        format!("{} has {present}, and version {VERSION} is needed: migrate", place.file().display());
    Err(BackendError::new(ErrorKind::Permanent, context))
}

async fn migrate_in_transaction(connection: &mut Conn<'_>, place: &Place) -> Result<(), BackendError> {
    // Another process may have been faster.
    let found = version(connection, place).await?;
    check(found, place)?;
    let done = usize::try_from(found.map_or(0, |(version, _)| version)).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.into_iter().skip(done) {
        sqlx::raw_sql(connection.sql(migration))
            .execute(connection.raw())
            .await
            .map_err(|error| place.wrap("migrate", error))?;
    }
    if done < MIGRATIONS.len() {
        let table = connection.names().qualified(Table::Schema);
        let note = format!("delete from {table}; insert into {table} values ({VERSION}, {OLDEST_PROGRAM})");
        let noted = sqlx::raw_sql(sqlx::AssertSqlSafe(note)).execute(connection.raw()).await;
        noted.map_err(|error| place.wrap("migrate", error))?;
    }
    Ok(())
}

/// The version of the tables and the oldest program that they tolerate; `None` if there are none.
pub(super) async fn version(
    connection: &mut Conn<'_>,
    place: &Place,
) -> Result<Option<(i64, i64)>, BackendError> {
    let exists = "select 1 from sqlite_master where type = 'table' and name = ? collate nocase";
    let read = async {
        if sqlx::query(exists)
            .bind(connection.names().table(Table::Schema))
            .fetch_optional(connection.raw())
            .await?
            .is_none()
        {
            return Ok(None);
        }
        let found = connection.sql("select version, oldest_program from workflow_schema");
        let row = sqlx::query(found).fetch_one(connection.raw()).await?;
        Ok(Some((row.try_get(0)?, row.try_get(1)?)))
    };
    read.await.map_err(|error| place.wrap("read the version of the tables", error))
}

fn check(found: Option<(i64, i64)>, place: &Place) -> Result<(), BackendError> {
    let Some((version, oldest)) = found.filter(|(_, oldest)| *oldest > VERSION) else { return Ok(()) };
    let context = format!(
        "{} has tables of version {version}, which programs of version {oldest} and newer can use; this one is of \
         version {VERSION}: use a newer program",
        place.file().display()
    );
    Err(BackendError::new(ErrorKind::Permanent, context))
}
