//! The tables, and which programs may use which version of them.

use sqlx::Row;
use workflow_core::adapter::{BackendError, ErrorKind};

use super::connect::{Conn, Place};
use crate::Table;

/// The migrations in order; each raises the version by one.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/postgres/0001_tables.sql")];

/// The version of the tables that this program makes.
pub(crate) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The oldest program that can still work with the tables of this version: the version that it makes itself.
const OLDEST_PROGRAM: i32 = 1;

/// One process at a time migrates the tables of a schema. A table that is long may take long.
const BEGIN: &str = "begin; set local statement_timeout = 0; set local lock_timeout = '60s'; set local \
                     idle_in_transaction_session_timeout = '60s'; select \
                     pg_advisory_xact_lock(hashtext('workflow-tables'), hashtext(current_schema()))";

const VERSIONS: &str =
    "create table if not exists workflow_schema (version integer not null, oldest_program integer not null)";

/// A name that was looked up before may be remembered as missing; the catalogue itself is read anew.
const EXISTS: &str = "select exists (select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relname = \
                      $1 and case when $2::text is null then pg_table_is_visible(c.oid) else n.nspname = $2 end)";

const FOUND: &str = "select version, oldest_program from workflow_schema";

/// Makes or checks the tables, safe when several processes start at once.
pub(super) async fn migrate(connection: &mut Conn<'_>, place: &Place) -> Result<(), BackendError> {
    let found = version(connection, place).await?;
    check(found, place)?;
    if found.is_some_and(|(version, _)| version >= VERSION) {
        return Ok(());
    }
    execute(connection, BEGIN, place).await?;
    let migrated = migrate_in_transaction(connection, place).await;
    let end = if migrated.is_ok() { "commit" } else { "rollback" };
    let ended = execute(connection, end, place).await;
    migrated.and(ended)
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
    let context = format!("{} has {present}, and version {VERSION} is needed: migrate", place.name());
    Err(BackendError::new(ErrorKind::Permanent, context))
}

async fn migrate_in_transaction(connection: &mut Conn<'_>, place: &Place) -> Result<(), BackendError> {
    // Another process may have been faster.
    let found = version(connection, place).await?;
    check(found, place)?;
    let done = usize::try_from(found.map_or(0, |(version, _)| version)).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.into_iter().skip(done) {
        execute(connection, connection.sql(migration), place).await?;
    }
    if done < MIGRATIONS.len() {
        execute(connection, connection.sql(VERSIONS), place).await?;
        let table = connection.names().qualified(Table::Schema);
        let note = format!("delete from {table}; insert into {table} values ({VERSION}, {OLDEST_PROGRAM})");
        execute(connection, sqlx::AssertSqlSafe(note), place).await?;
    }
    Ok(())
}

async fn execute(
    connection: &mut Conn<'_>,
    statement: impl sqlx::SqlSafeStr,
    place: &Place,
) -> Result<(), BackendError> {
    let executed = sqlx::raw_sql(statement).execute(connection.raw()).await;
    executed.map(drop).map_err(|error| place.wrap("migrate", error))
}

/// The version of the tables and the oldest program that they tolerate; `None` if there are none.
pub(super) async fn version(
    connection: &mut Conn<'_>,
    place: &Place,
) -> Result<Option<(i32, i32)>, BackendError> {
    let read = async {
        let names = connection.names();
        let exists =
            sqlx::query_scalar::<_, bool>(EXISTS).bind(names.table(Table::Schema)).bind(names.schema());
        if !exists.fetch_one(connection.raw()).await? {
            return Ok(None);
        }
        let row = sqlx::query(connection.sql(FOUND)).fetch_optional(connection.raw()).await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    };
    read.await.map_err(|error| place.wrap("read the version of the tables", error))
}

fn check(found: Option<(i32, i32)>, place: &Place) -> Result<(), BackendError> {
    let Some((version, oldest)) = found.filter(|(_, oldest)| *oldest > VERSION) else { return Ok(()) };
    let context = format!(
        "{} has tables of version {version}, which programs of version {oldest} and newer can use; this one is of version \
         {VERSION}: use a newer program",
        place.name()
    );
    Err(BackendError::new(ErrorKind::Permanent, context))
}
