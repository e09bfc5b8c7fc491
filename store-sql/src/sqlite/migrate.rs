//! Making and altering the tables, as a call.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::Connection;
use workflow_core::adapter::{BackendError, ErrorKind};

use super::handle::{Sqlite, SqliteOptions};
use super::open::{Conn, Place};
use super::schema;
use crate::names::{Keys, Statements};
use crate::schema::{Definition, Wish, planned_from_nothing};
use crate::{Dialect, IndexSet, MigrateError, Migration};

impl Sqlite {
    /// Makes the tables what this program needs; see [`SqliteOptions::migrate`].
    ///
    /// # Errors
    /// As [`SqliteOptions::migrate`].
    pub async fn migrate(file: impl AsRef<Path>) -> Result<Migration, MigrateError> {
        Self::options().migrate(file).await
    }
}

impl SqliteOptions {
    /// Which indexes the tables have: new ones have the lean set by default. Where tables are there, [`migrate`] alone
    /// changes their set.
    ///
    /// [`migrate`]: SqliteOptions::migrate
    pub fn indexes(mut self, set: IndexSet) -> Self {
        self.order.indexes = Some(set);
        self
    }

    /// Whether the records have the *guard*, a trigger that refuses any write but that of a run's next version. It is for
    /// tables that others write, too, as the Go library does without looking. [`migrate`] makes or drops it, and nothing
    /// else does where tables are there; new ones have none by default.
    ///
    /// [`migrate`]: SqliteOptions::migrate
    pub fn guard(mut self, guard: bool) -> Self {
        self.order.guard = Some(guard);
        self
    }

    /// Makes the tables, or alters those that are there, and tells what it did: all of it or nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let file = folder.path().join("orders.db");
    /// use store_sql::Sqlite;
    /// let migration = Sqlite::migrate(&file).await?;
    /// assert_eq!((migration.from, migration.done.len()), (None, 11));
    /// assert!(Sqlite::migrate(&file).await?.done.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the file cannot be opened or written, or has tables that are in the way or too new.
    pub async fn migrate(self, file: impl AsRef<Path>) -> Result<Migration, MigrateError> {
        let (place, statements) = self.prepare(file.as_ref())?;
        if self.order.only_plan && !place.file().exists() {
            let name = place.file().display().to_string();
            let wish = Wish {
                place: &name,
                names: &self.tables,
                indexes: self.order.indexes,
                guard: self.order.guard,
            };
            return planned_from_nothing(&Definition::of(Dialect::Sqlite), wish);
        }
        let mut connection = place.writer().await?;
        let migrated =
            schema::migrate(&mut Conn::new(&mut connection, &statements), &place, self.order).await;
        let closed = connection.close().await.map_err(|error| place.wrap("close", error));
        let migration = migrated?;
        closed?;
        Ok(migration)
    }

    /// Says what [`SqliteOptions::migrate`] would do, and does nothing; a file that is not there is
    /// not made.
    ///
    /// # Errors
    /// As [`SqliteOptions::migrate`].
    pub async fn plan_migration(mut self, file: impl AsRef<Path>) -> Result<Migration, MigrateError> {
        self.order.only_plan = true;
        self.migrate(file).await
    }

    /// The file, and the texts of the statements for tables of these names.
    pub(super) fn prepare(&self, file: &Path) -> Result<(Arc<Place>, Statements), BackendError> {
        // The connections are opened again later, when the working directory may be another.
        let file = std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file));
        self.tables.check(Dialect::Sqlite).map_err(|error| {
            BackendError::with_source(
                ErrorKind::Permanent,
                format!("open {}: {error}", file.display()),
                error,
            )
        })?;
        let statements = Statements::new(self.tables.clone(), Keys::Plain);
        Ok((Arc::new(Place::new(file, self.synchronous, self.create)), statements))
    }
}
