//! Making and altering the tables of a database of any kind.

use workflow_core::adapter::{BackendError, ErrorKind};

use super::{Database, DatabaseOptions};
use crate::config::Dsn;
use crate::{IndexSet, MigrateError, Migration};

impl Database {
    /// Makes the tables what this program needs; see [`DatabaseOptions::migrate`].
    ///
    /// # Errors
    /// As [`DatabaseOptions::migrate`].
    pub async fn migrate(url: &str) -> Result<Migration, MigrateError> {
        Self::options().migrate(url).await
    }
}

impl DatabaseOptions {
    /// Which indexes the tables have: new ones have the lean set by default. Where tables are there, [`migrate`] alone
    /// changes their set, and leaves one that was made elsewhere its own.
    ///
    /// [`migrate`]: DatabaseOptions::migrate
    pub fn indexes(mut self, set: IndexSet) -> Self {
        self.order.indexes = Some(set);
        self
    }

    /// Whether the records have the *guard*, a trigger that refuses any write but that of a run's next version. It is for
    /// tables that others write, too, as the Go library does without looking. [`migrate`] makes or drops it, and nothing
    /// else does where tables are there; new ones have none by default.
    ///
    /// [`migrate`]: DatabaseOptions::migrate
    pub fn guard(mut self, guard: bool) -> Self {
        self.order.guard = Some(guard);
        self
    }

    /// Where tables are taken over that have several unfinished runs of one foreign id: keeps the newest of them and
    /// cancels the others, as an operator would. Without it such tables are refused.
    pub fn cancel_duplicates(mut self) -> Self {
        self.order.cancel_duplicates = true;
        self
    }

    /// Makes the tables, or alters those that are there, and tells what it did. It may be interrupted, and made again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = format!("sqlite:{}", folder.path().join("orders.db").display());
    /// use store_sql::{Database, TableNames};
    /// let migration = Database::options().tables(TableNames::prefixed("shop_")?).migrate(&url).await?;
    /// assert!(migration.to_string().contains("table shop_records: made"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the database cannot be reached, has tables that are in the way or too new, or the user may not alter them.
    pub async fn migrate(self, url: &str) -> Result<Migration, MigrateError> {
        let wrong =
            |error| BackendError::with_source(ErrorKind::Permanent, format!("migrate: {error}"), error);
        let dsn: Dsn = url.parse().map_err(wrong)?;
        self.migrate_at(&dsn).await
    }

    /// The same by a connection string that was read already.
    ///
    /// # Errors
    /// As [`DatabaseOptions::migrate`].
    pub async fn migrate_at(self, dsn: &Dsn) -> Result<Migration, MigrateError> {
        match dsn {
            #[cfg(feature = "mysql")]
            Dsn::MySql(dsn) => self.mysql().migrate_to(dsn).await,
            #[cfg(feature = "postgres")]
            Dsn::Postgres(dsn) => self.postgres().migrate_to(dsn).await,
            #[cfg(feature = "sqlite")]
            Dsn::Sqlite(dsn) => self.sqlite(dsn)?.migrate(&dsn.file).await,
            #[cfg(not(all(feature = "mysql", feature = "postgres", feature = "sqlite")))]
            other => Err(super::refuse(other).into()),
        }
    }

    /// Says what [`DatabaseOptions::migrate_at`] would do, and does nothing.
    ///
    /// # Errors
    /// As [`DatabaseOptions::migrate`].
    pub async fn plan_migration(mut self, dsn: &Dsn) -> Result<Migration, MigrateError> {
        self.order.only_plan = true;
        self.migrate_at(dsn).await
    }
}
