//! The tables, and which programs may use which version of them.

use sqlx::Row;
use workflow_core::adapter::{BackendError, ErrorKind};

use super::error::wrap;
use super::server::Conn;
use super::session::Family;
use crate::Table;
use crate::names::rendered;

/// The migrations in order; each raises the version by one, and can be begun again if it was interrupted.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/mysql/0001_tables.sql")];

/// The version of the tables that this program makes.
pub(crate) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The oldest program that can still work with the tables of this version: the version that it makes itself.
const OLDEST_PROGRAM: i32 = 1;

/// How long a process waits for another one that migrates, in seconds.
const MIGRATION_WAIT_SECONDS: u32 = 120;

/// The lock under which one process at a time migrates a database; lock names are those of the whole server.
const LOCK: &str = "concat('wf-migrate-', left(sha1(database()), 40))";

/// Makes or checks the tables, safe when several processes start at once.
pub(super) async fn migrate(
    connection: &mut Conn<'_>,
    family: Family,
    name: &str,
) -> Result<(), BackendError> {
    let found = version(connection, name).await?;
    tolerate(found, name)?;
    if found.is_some_and(|(version, _)| version >= VERSION) {
        return Ok(());
    }
    let take = format!("select get_lock({LOCK}, {MIGRATION_WAIT_SECONDS})");
    let taken =
        sqlx::query_scalar::<_, Option<i64>>(sqlx::AssertSqlSafe(take)).fetch_one(connection.raw()).await;
    if taken.map_err(|error| wrap("migrate", name, error))? != Some(1) {
        let context =
            format!("migrate {name}: another process migrates for more than {MIGRATION_WAIT_SECONDS} s");
        return Err(BackendError::new(ErrorKind::Transient, context));
    }
    let migrated = migrate_under_lock(connection, family, name).await;
    let free = format!("do release_lock({LOCK})");
    let freed = sqlx::raw_sql(sqlx::AssertSqlSafe(free)).execute(connection.raw()).await;
    migrated?;
    freed.map(drop).map_err(|error| wrap("migrate", name, error))
}

async fn migrate_under_lock(
    connection: &mut Conn<'_>,
    family: Family,
    name: &str,
) -> Result<(), BackendError> {
    // Another process may have been faster.
    let found = version(connection, name).await?;
    tolerate(found, name)?;
    let done = usize::try_from(found.map_or(0, |(version, _)| version)).unwrap_or(0);
    for migration in MIGRATIONS.into_iter().skip(done) {
        let text = rendered(&dialect(migration, family), connection.names(), connection.keys());
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(connection.raw()).await;
        made.map_err(|error| wrap("migrate", name, error))?;
    }
    if done < MIGRATIONS.len() {
        let table = connection.names().qualified(Table::Schema);
        let note = format!(
            "start transaction; delete from {table}; insert into {table} (version, oldest_program) values ({VERSION}, \
             {OLDEST_PROGRAM}); commit"
        );
        let noted = sqlx::raw_sql(sqlx::AssertSqlSafe(note)).execute(connection.raw()).await;
        noted.map_err(|error| wrap("migrate", name, error))?;
    }
    Ok(())
}

/// A migration for a server: the two families call the binary collation without padding by different names.
fn dialect(migration: &str, family: Family) -> String {
    match family {
        Family::MariaDb => migration.to_owned(),
        Family::MySql => migration.replace("utf8mb4_nopad_bin", "utf8mb4_0900_bin"),
    }
}

/// Refuses a database without tables, or with those of a version that this program cannot use.
pub(super) async fn check(connection: &mut Conn<'_>, name: &str) -> Result<(), BackendError> {
    let found = version(connection, name).await?;
    tolerate(found, name)?;
    match found {
        Some((version, _)) if version >= VERSION => Ok(()),
        _ => {
            let has = found.map_or_else(
                || "no tables".to_owned(),
                |(version, _)| format!("tables of version {version}"),
            );
            let context =
                format!("{name} has {has}; this program needs version {VERSION}: run the migrations");
            Err(BackendError::new(ErrorKind::Permanent, context))
        }
    }
}

/// The version of the tables and the oldest program that they tolerate; `None` if there are none.
pub(super) async fn version(
    connection: &mut Conn<'_>,
    name: &str,
) -> Result<Option<(i32, i32)>, BackendError> {
    let exists = "select 1 from information_schema.tables where table_schema = coalesce(?, database()) and table_name = ?";
    let names = connection.names();
    let read = async {
        let exists = sqlx::query(exists).bind(names.schema()).bind(names.table(Table::Schema));
        if exists.fetch_optional(connection.raw()).await?.is_none() {
            return Ok(None);
        }
        let text = "select version, oldest_program from workflow_schema";
        let row = sqlx::query(connection.sql(text)).fetch_optional(connection.raw()).await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    };
    read.await.map_err(|error| wrap("read the version of the tables", name, error))
}

fn tolerate(found: Option<(i32, i32)>, name: &str) -> Result<(), BackendError> {
    let Some((version, oldest)) = found.filter(|(_, oldest)| *oldest > VERSION) else { return Ok(()) };
    let context = format!(
        "{name} has tables of version {version}, which programs of version {oldest} and newer can use; this one is of \
         version {VERSION}: use a newer program"
    );
    Err(BackendError::new(ErrorKind::Permanent, context))
}
