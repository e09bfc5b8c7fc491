//! The tables, made, altered and checked.

use sqlx::AssertSqlSafe;
use workflow_core::adapter::BackendError;

use super::catalog;
use super::open::{Conn, Place};
use crate::schema::{
    self, Definition, Done, Duplicate, End, Found, MigrateError, Migration, Note, Order, Readiness, Target,
    Wish, readiness, too_old,
};
use crate::{Dialect, TableNames};

/// Checks the tables, and makes them if they are behind and it may.
pub(super) async fn open(
    connection: &mut Conn<'_>,
    place: &Place,
    order: Order,
    migrate_behind: bool,
) -> Result<(), MigrateError> {
    let note = note(connection, place).await?;
    let name = place.file().display().to_string();
    let wish = Wish { place: &name, names: connection.names(), indexes: order.indexes, guard: order.guard };
    match readiness(note.as_ref(), wish)? {
        Readiness::Ready { .. } => Ok(()),
        Readiness::Behind if migrate_behind => migrate(connection, place, order).await.map(drop),
        Readiness::Behind => Err(too_old(note.as_ref(), &name)),
    }
}

/// What is noted of the tables.
pub(super) async fn note(connection: &mut Conn<'_>, place: &Place) -> Result<Option<Note>, BackendError> {
    let noted = catalog::note(connection).await;
    noted.map_err(|error| place.wrap("read the version of the tables", error))
}

/// Makes the tables what they are to be, all of it or nothing; other processes wait for the file's lock meanwhile.
pub(super) async fn migrate(
    connection: &mut Conn<'_>,
    place: &Place,
    order: Order,
) -> Result<Migration, MigrateError> {
    let wrap = |error| place.wrap("migrate", error);
    execute(connection, "begin immediate").await.map_err(wrap)?;
    let name = place.file().display().to_string();
    let mut tables = Tables { connection, place, name };
    let migrated = schema::migrate(&mut tables, &Definition::of(Dialect::Sqlite), order).await;
    let ended = execute(connection, if migrated.is_ok() { "commit" } else { "rollback" }).await;
    let migration = migrated?;
    ended.map_err(wrap)?;
    Ok(migration)
}

async fn execute(connection: &mut Conn<'_>, text: impl sqlx::SqlSafeStr) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(text).execute(connection.raw()).await.map(drop)
}

/// The tables of a file, in the transaction in which they are migrated.
struct Tables<'a, 'c> {
    connection: &'a mut Conn<'c>,
    place: &'a Place,
    name: String,
}

impl Target for Tables<'_, '_> {
    fn place(&self) -> &str {
        &self.name
    }

    fn names(&self) -> &TableNames {
        self.connection.names()
    }

    fn wrap(&self, what: &str, error: sqlx::Error) -> BackendError {
        self.place.wrap(what, error)
    }

    fn is_denied(&self, _: &sqlx::Error) -> bool {
        // Who may write the file may do everything with it.
        false
    }

    async fn found(&mut self) -> Result<Found, sqlx::Error> {
        catalog::found(self.connection).await
    }

    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn end(&mut self, _: End) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn execute(&mut self, text: String) -> Result<(), sqlx::Error> {
        execute(self.connection, AssertSqlSafe(text)).await
    }

    async fn duplicates(&mut self) -> Result<Vec<Duplicate>, sqlx::Error> {
        // Only the engine writes such a file, and tables that were made elsewhere are refused.
        Ok(Vec::new())
    }

    async fn cancel(&mut self, _: &[Duplicate]) -> Result<Vec<Done>, MigrateError> {
        Ok(Vec::new())
    }
}
