//! The tables, made, altered and checked.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use workflow_core::adapter::{BackendError, Clock, ErrorKind, SystemClock};

use super::catalog;
use super::connect::{Conn, Place};
use super::error::code;
use super::said::said;
use super::store::PostgresStore;
use crate::schema::{
    self, Definition, Done, Duplicate, End, Found, MigrateError, Migration, Note, Order, Readiness, Target,
    Wish, cancel, duplicates_of, readiness, too_old,
};
use crate::{Dialect, TableNames};

/// How long another process is waited for that migrates the same schema.
const LOCK_TRIES_MAX: u32 = 1200;
const LOCK_EVERY: Duration = Duration::from_millis(100);

/// One process at a time migrates the tables of a schema. The lock is tried and not waited for: a session that waits in a
/// statement would be waited for in its turn by the making of an index beside the running work.
const LOCK: &str =
    "select pg_try_advisory_lock(hashtext('workflow-tables'), hashtext(coalesce($1, current_schema(), '')))";

const UNLOCK: &str = "select pg_advisory_unlock_all()";

/// A table that is long may take long, and its rows are read from end to end.
const SETTINGS: &str = "set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set enable_seqscan = on; set \
                        enable_hashjoin = on; set enable_mergejoin = on";

/// Altering a table waits for those who use it, and who comes later waits behind it: so it waits briefly, and often.
const ALTER_WAIT: &str = "set lock_timeout = '2s'";
const ALTER_TRIES_MAX: u32 = 60;
const ALTER_EVERY: Duration = Duration::from_millis(500);

/// Nobody waits behind what is made beside the running work.
const BUILD_WAIT: &str = "set lock_timeout = 0";

/// What the server says when a lock is not had in time, and when a user lacks a right.
const LOCK_NOT_AVAILABLE: &str = "55P03";
const DENIED: &str = "42501";

const DUPLICATES: &str = "select workflow_name, foreign_id, run_id from (select workflow_name, foreign_id, run_id, created_at, \
    count(*) over (partition by workflow_name, foreign_id) as alike from workflow_records where run_state in (1, 2, 3)) r where \
    alike > 1 order by workflow_name, foreign_id, created_at desc, run_id desc";

/// A store on the same database, of which the migration uses what it needs.
pub(super) type MakeStore<'a> = &'a (dyn Fn() -> PostgresStore + Send + Sync);

/// What a database is asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) place: &'a Place,
    pub(super) names: &'a TableNames,
    pub(super) order: Order,
    pub(super) store: MakeStore<'a>,
}

impl<'a> Wanted<'a> {
    fn wish(&self) -> Wish<'a> {
        Wish {
            place: self.place.name(),
            names: self.names,
            indexes: self.order.indexes,
            guard: self.order.guard,
        }
    }
}

/// Checks the tables, and makes them if they are behind and it may.
pub(super) async fn open(
    connection: &mut Conn<'_>,
    wanted: Wanted<'_>,
    migrate_behind: bool,
) -> Result<(), MigrateError> {
    let note = note(connection, wanted.place).await?;
    match readiness(note.as_ref(), wanted.wish())? {
        Readiness::Ready { .. } => Ok(()),
        Readiness::Behind if migrate_behind => migrate(connection, wanted).await.map(drop),
        Readiness::Behind => Err(too_old(note.as_ref(), wanted.place.name())),
    }
}

/// What is noted of the tables.
pub(super) async fn note(connection: &mut Conn<'_>, place: &Place) -> Result<Option<Note>, BackendError> {
    let noted = catalog::note(connection).await;
    noted.map_err(|error| place.wrap("read the version of the tables", error))
}

/// Makes the tables what they are to be, safe when several processes start at once.
pub(super) async fn migrate(
    connection: &mut Conn<'_>,
    wanted: Wanted<'_>,
) -> Result<Migration, MigrateError> {
    let wrap = |error| MigrateError::Backend(wanted.place.wrap("migrate", error));
    execute(connection, SETTINGS).await.map_err(wrap)?;
    lock(connection, wanted).await?;
    let mut tables = Tables { connection, wanted };
    let migrated = schema::migrate(&mut tables, &Definition::of(Dialect::Postgres), wanted.order).await;
    // A session that was lost has no lock any more.
    let unlocked = execute(connection, UNLOCK).await;
    let migration = migrated?;
    unlocked.map_err(wrap)?;
    Ok(migration)
}

/// The tables of a schema, while they are migrated.
struct Tables<'a, 'c> {
    connection: &'a mut Conn<'c>,
    wanted: Wanted<'a>,
}

impl Target for Tables<'_, '_> {
    fn place(&self) -> &str {
        self.wanted.place.name()
    }

    fn names(&self) -> &TableNames {
        self.wanted.names
    }

    fn wrap(&self, what: &str, error: sqlx::Error) -> BackendError {
        self.wanted.place.wrap(what, error)
    }

    fn is_denied(&self, error: &sqlx::Error) -> bool {
        code(error).as_deref() == Some(DENIED)
    }

    async fn found(&mut self) -> Result<Found, sqlx::Error> {
        catalog::found(self.connection).await
    }

    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        execute(self.connection, "begin").await
    }

    async fn end(&mut self, end: End) -> Result<(), sqlx::Error> {
        let text = match end {
            End::Commit => "commit",
            End::Rollback => "rollback",
        };
        execute(self.connection, text).await
    }

    async fn execute(&mut self, text: String) -> Result<(), sqlx::Error> {
        let is_beside = text.contains(" concurrently ");
        execute(self.connection, if is_beside { BUILD_WAIT } else { ALTER_WAIT }).await?;
        for _ in 1..ALTER_TRIES_MAX {
            match execute(self.connection, AssertSqlSafe(text.clone())).await {
                Err(error) if code(&error).as_deref() == Some(LOCK_NOT_AVAILABLE) => {
                    SystemClock::new().sleep(ALTER_EVERY).await;
                }
                executed => return executed,
            }
        }
        execute(self.connection, AssertSqlSafe(text)).await
    }

    async fn duplicates(&mut self) -> Result<Vec<Duplicate>, sqlx::Error> {
        let query = sqlx::query_as(self.connection.sql(DUPLICATES));
        Ok(duplicates_of(query.fetch_all(self.connection.raw()).await?))
    }

    async fn cancel(&mut self, duplicates: &[Duplicate]) -> Result<Vec<Done>, MigrateError> {
        let store = (self.wanted.store)();
        let cancelled = cancel(&store, self.wanted.place.name(), duplicates).await;
        store.close().await;
        cancelled
    }
}

async fn lock(connection: &mut Conn<'_>, wanted: Wanted<'_>) -> Result<(), MigrateError> {
    for _ in 0..LOCK_TRIES_MAX {
        let locked = sqlx::query_scalar::<_, bool>(LOCK).bind(wanted.names.schema());
        let locked = locked.fetch_one(connection.raw()).await;
        if locked.map_err(|error| wanted.place.wrap("migrate", error))? {
            return Ok(());
        }
        SystemClock::new().sleep(LOCK_EVERY).await;
    }
    let seconds = (LOCK_EVERY * LOCK_TRIES_MAX).as_secs();
    let context =
        format!("migrate {}: another process migrates for more than {seconds} s", wanted.place.name());
    Err(BackendError::new(ErrorKind::Transient, context).into())
}

async fn execute(connection: &mut Conn<'_>, text: impl sqlx::SqlSafeStr) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(text).execute(connection.raw()).await.map(drop).map_err(said)
}
