//! The tables, made, altered and checked.

use sqlx::AssertSqlSafe;
use workflow_core::adapter::{BackendError, ErrorKind};

use super::catalog;
use super::error::{is_denied, is_not_online, wrap};
use super::server::Conn;
use super::session::Family;
use super::store::MySqlStore;
use crate::names::Keys;
use crate::schema::{
    self, Definition, Done, Duplicate, End, Found, MigrateError, Migration, Note, ONLINE, Order, Readiness,
    Target, Wish, cancel, duplicates_of, readiness, too_old,
};
use crate::{Dialect, TableNames};

/// How long a process waits for another one that migrates, in seconds.
const MIGRATION_WAIT_SECONDS: u32 = 120;

/// The lock under which one process at a time migrates a database; lock names are those of the whole server.
const LOCK: &str = "concat('wf-migrate-', left(sha1(coalesce(?, database())), 40))";

/// Foreign ids are told apart by their bytes, whatever their collation.
const DUPLICATES: &str = "select workflow_name, foreign_id, run_id from (select workflow_name, foreign_id, run_id, created_at, \
                          count(*) over (partition by cast(workflow_name as binary), cast(foreign_id as binary)) as alike from \
                          workflow_records where run_state between 1 and 3) r where alike > 1 order by cast(workflow_name as \
                          binary), cast(foreign_id as binary), created_at desc, run_id desc";

/// A store on the same database, of which the migration uses what it needs.
pub(super) type MakeStore<'a> = &'a (dyn Fn(Keys) -> MySqlStore + Send + Sync);

/// What a database is asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) place: &'a str,
    pub(super) family: Family,
    pub(super) names: &'a TableNames,
    pub(super) order: Order,
    pub(super) store: MakeStore<'a>,
}

impl<'a> Wanted<'a> {
    fn wish(&self) -> Wish<'a> {
        Wish { place: self.place, names: self.names, indexes: self.order.indexes, guard: self.order.guard }
    }

    fn dialect(&self) -> Dialect {
        match self.family {
            Family::MariaDb => Dialect::MariaDb,
            Family::MySql => Dialect::MySql,
        }
    }
}

/// Checks the tables, and makes them if they are behind and it may; tells how their keys are compared.
pub(super) async fn open(
    connection: &mut Conn<'_>,
    wanted: Wanted<'_>,
    migrate_behind: bool,
) -> Result<Keys, MigrateError> {
    let note = note(connection, wanted.place).await?;
    let adopted = match readiness(note.as_ref(), wanted.wish())? {
        Readiness::Ready { adopted } => adopted,
        Readiness::Behind if migrate_behind => migrate(connection, wanted).await?.adopted,
        Readiness::Behind => return Err(too_old(note.as_ref(), wanted.place)),
    };
    Ok(if adopted { Keys::Twins } else { Keys::Plain })
}

/// What is noted of the tables.
pub(super) async fn note(connection: &mut Conn<'_>, place: &str) -> Result<Option<Note>, BackendError> {
    let noted = catalog::note(connection).await;
    noted.map_err(|error| wrap("read the version of the tables", place, error))
}

/// Makes the tables what they are to be, safe when several processes start at once.
pub(super) async fn migrate(
    connection: &mut Conn<'_>,
    wanted: Wanted<'_>,
) -> Result<Migration, MigrateError> {
    let wrap = |error| wrap("migrate", wanted.place, error);
    let take = format!("select get_lock({LOCK}, {MIGRATION_WAIT_SECONDS})");
    let taken = sqlx::query_scalar::<_, Option<i64>>(AssertSqlSafe(take)).bind(wanted.names.schema());
    if taken.fetch_one(connection.raw()).await.map_err(wrap)? != Some(1) {
        let context = format!(
            "migrate {}: another process migrates for more than {MIGRATION_WAIT_SECONDS} s",
            wanted.place
        );
        return Err(BackendError::new(ErrorKind::Transient, context).into());
    }
    let mut tables = Tables { connection, wanted };
    let migrated = schema::migrate(&mut tables, &Definition::of(wanted.dialect()), wanted.order).await;
    let free = format!("do release_lock({LOCK})");
    let freed = sqlx::query(AssertSqlSafe(free)).bind(wanted.names.schema()).execute(connection.raw()).await;
    let migration = migrated?;
    freed.map_err(wrap)?;
    Ok(migration)
}

/// The tables of a database, while they are migrated. Each statement stays by itself: none of them can be taken back.
struct Tables<'a, 'c> {
    connection: &'a mut Conn<'c>,
    wanted: Wanted<'a>,
}

impl Target for Tables<'_, '_> {
    fn place(&self) -> &str {
        self.wanted.place
    }

    fn names(&self) -> &TableNames {
        self.wanted.names
    }

    fn wrap(&self, what: &str, error: sqlx::Error) -> BackendError {
        wrap(what, self.wanted.place, error)
    }

    fn is_denied(&self, error: &sqlx::Error) -> bool {
        is_denied(error)
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
        let executed = sqlx::raw_sql(AssertSqlSafe(text.clone())).execute(self.connection.raw()).await;
        match (executed, text.strip_suffix(ONLINE)) {
            (Err(error), Some(text)) if is_not_online(&error) => {
                tracing::warn!(error = %error, "a table is altered while nobody else can write it");
                sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(self.connection.raw()).await.map(drop)
            }
            (executed, _) => executed.map(drop),
        }
    }

    async fn duplicates(&mut self) -> Result<Vec<Duplicate>, sqlx::Error> {
        let query = sqlx::query_as(self.connection.sql(DUPLICATES));
        Ok(duplicates_of(query.fetch_all(self.connection.raw()).await?))
    }

    async fn cancel(&mut self, duplicates: &[Duplicate]) -> Result<Vec<Done>, MigrateError> {
        let store = (self.wanted.store)(Keys::Twins);
        cancel(&store, self.wanted.place, duplicates).await
    }
}
