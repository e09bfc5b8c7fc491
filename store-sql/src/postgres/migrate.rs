//! Making and altering the tables, as a call.

use std::sync::Arc;

use sqlx::Connection;
use workflow_core::adapter::{BackendError, ErrorKind};

use super::connect::{Conn, Place};
use super::display::Display;
use super::handle::Postgres;
use super::options::{PostgresOptions, parse};
use super::pooler;
use super::schema::{self, Wanted};
use super::store::PostgresStore;
use super::transaction::Database;
use crate::config::PostgresDsn;
use crate::names::{Keys, Statements};
use crate::schema::Order;
use crate::{Dialect, IndexSet, MigrateError, Migration};

impl Postgres {
    /// Makes the tables what this program needs; see [`PostgresOptions::migrate`].
    ///
    /// # Errors
    /// As [`PostgresOptions::migrate`].
    pub async fn migrate(url: &str) -> Result<Migration, MigrateError> {
        Self::options().migrate(url).await
    }
}

impl PostgresOptions {
    /// Which indexes the tables have: new ones have the lean set by default. Where tables are there, [`migrate`] alone
    /// changes their set, and leaves one that was made elsewhere its own.
    ///
    /// [`migrate`]: PostgresOptions::migrate
    pub fn indexes(mut self, set: IndexSet) -> Self {
        self.order.indexes = Some(set);
        self
    }

    /// Whether the records have the *guard*, a trigger that refuses any write but that of a run's next version. It is for
    /// tables that others write, too, as the Go library does without looking. [`migrate`] makes or drops it, and nothing
    /// else does where tables are there; new ones have none by default.
    ///
    /// [`migrate`]: PostgresOptions::migrate
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
    /// Tables of the Go library's guide are taken over with their rows. What they lack is added beside the running work,
    /// but for the column `live`, for which PostgreSQL writes the table anew and keeps others from it meanwhile.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use store_sql::{IndexSet, Postgres};
    /// let migration = Postgres::options().indexes(IndexSet::Guide).migrate("postgres://me@localhost/orders").await?;
    /// println!("{migration}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the database cannot be reached, has tables that are in the way or too new, or the user may not alter them.
    pub async fn migrate(self, url: &str) -> Result<Migration, MigrateError> {
        self.migrate_to(&parse(url)?).await
    }

    /// Says what [`PostgresOptions::migrate`] would do, and does nothing.
    ///
    /// # Errors
    /// As [`PostgresOptions::migrate`].
    pub async fn plan_migration(mut self, url: &str) -> Result<Migration, MigrateError> {
        self.order.only_plan = true;
        self.migrate(url).await
    }

    /// The same by a connection string that was read already.
    ///
    /// # Errors
    /// As [`PostgresOptions::migrate`].
    pub async fn migrate_to(self, dsn: &PostgresDsn) -> Result<Migration, MigrateError> {
        let place = self.place(dsn)?;
        let statements = self.statements()?;
        let mut connection = place.connect().await.map_err(|error| place.wrap("connect", error))?;
        place.check(&connection)?;
        if !place.is_pooled() {
            pooler::refuse(&mut connection, &place).await?;
        }
        let store = || self.store(&place, &statements);
        let wanted = Wanted { place: &place, names: &self.tables, order: self.order, store: &store };
        let migrated = schema::migrate(&mut Conn::new(&mut connection, &statements), wanted).await;
        // It has done its work; that it cannot be closed in order is nobody's loss.
        let _ = connection.close().await;
        migrated
    }

    /// The tables, checked, and made if they are behind and that is not refused.
    pub(super) async fn ready(&self, place: &Place, statements: &Statements) -> Result<(), BackendError> {
        let mut connection = place.connect().await.map_err(|error| place.wrap("connect", error))?;
        place.check(&connection)?;
        if !place.is_pooled() {
            pooler::refuse(&mut connection, place).await?;
        }
        let store = || self.store(place, statements);
        let order = Order { only_plan: false, ..self.order };
        let wanted = Wanted { place, names: &self.tables, order, store: &store };
        let opened = schema::open(&mut Conn::new(&mut connection, statements), wanted, self.migrate).await;
        let _ = connection.close().await;
        Ok(opened?)
    }

    /// The texts of the statements, for tables of these names.
    pub(super) fn statements(&self) -> Result<Statements, BackendError> {
        self.tables.check(Dialect::Postgres).map_err(|error| {
            BackendError::with_source(ErrorKind::Permanent, format!("connect: {error}"), error)
        })?;
        Ok(Statements::new(self.tables.clone(), Keys::Plain))
    }

    /// A store at a place; nothing is connected yet.
    pub(super) fn store(&self, place: &Place, statements: &Statements) -> PostgresStore {
        let place = Arc::new(place.clone());
        let database = Database::new(place.lazy_pool(), place, self.clock.clone(), statements.clone());
        let display = Display::new(database.clone(), None);
        PostgresStore::new(database, display, self.settings)
    }
}
