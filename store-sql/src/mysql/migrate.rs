//! Making and altering the tables, as a call.

use std::sync::Arc;

use sqlx::{Connection, MySqlConnection};
use workflow_core::adapter::{BackendError, ErrorKind};

use super::clock::StampClock;
use super::display::Display;
use super::handle::MySql;
use super::options::{MySqlOptions, dsn_of, wrong};
use super::schema::{self, Wanted};
use super::server::{Conn, Connecting, reach};
use super::session::{Access, Facts};
use super::store::{MySqlStore, Settings};
use crate::config::MySqlDsn;
use crate::names::{Keys, Statements};
use crate::schema::Order;
use crate::{Dialect, IndexSet, MigrateError, Migration};

impl MySql {
    /// Makes the tables what this program needs; see [`MySqlOptions::migrate`].
    ///
    /// # Errors
    /// As [`MySqlOptions::migrate`].
    pub async fn migrate(url: &str) -> Result<Migration, MigrateError> {
        Self::options().migrate(url).await
    }
}

impl MySqlOptions {
    /// Which indexes the tables have: new ones have the lean set by default. Where tables are there, [`migrate`] alone
    /// changes their set, and leaves one that was made elsewhere its own.
    ///
    /// [`migrate`]: MySqlOptions::migrate
    pub fn indexes(mut self, set: IndexSet) -> Self {
        self.order.indexes = Some(set);
        self
    }

    /// Whether the records have the *guard*, a trigger that refuses any write but that of a run's next version. It is for
    /// tables that others write, too, as the Go library does without looking. [`migrate`] makes or drops it, and nothing
    /// else does where tables are there; new ones have none by default.
    ///
    /// [`migrate`]: MySqlOptions::migrate
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
    /// Tables of the Go library's guide are taken over with their rows, and what they lack is added while others write
    /// them. Their collation takes `Case` and `case` for the same; beside each key there is then a virtual column that
    /// tells them apart, by which the store compares.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use store_sql::{IndexSet, MySql};
    /// let migration = MySql::options().indexes(IndexSet::Guide).migrate("mysql://me@localhost/orders").await?;
    /// println!("{migration}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the database cannot be reached, has tables that are in the way or too new, or the user may not alter them.
    pub async fn migrate(self, url: &str) -> Result<Migration, MigrateError> {
        self.migrate_to(&dsn_of(url)?).await
    }

    /// The same by a connection string that was read already.
    ///
    /// # Errors
    /// As [`MySqlOptions::migrate`].
    pub async fn migrate_to(self, dsn: &MySqlDsn) -> Result<Migration, MigrateError> {
        let connecting = self.connecting(dsn, Access::Write)?;
        let (mut first, facts) = reach(&connecting, self.single_writer).await?;
        let (place, store) = (dsn.to_string(), |keys| self.store(&connecting, &facts, keys));
        let wanted = self.wanted(&place, &facts, self.order, &store);
        let plain = self.statements(Keys::Plain);
        let migrated = schema::migrate(&mut Conn::new(&mut first, &plain), wanted).await;
        // Nothing depends on how the connection ends.
        let _ = first.close().await;
        migrated
    }

    /// Says what [`MySqlOptions::migrate`] would do, and does nothing.
    ///
    /// # Errors
    /// As [`MySqlOptions::migrate`].
    pub async fn plan_migration(mut self, url: &str) -> Result<Migration, MigrateError> {
        self.order.only_plan = true;
        self.migrate(url).await
    }

    /// Checks the tables, and makes them if they are behind and that is not refused; tells how their keys are compared.
    pub(super) async fn ready(
        &self,
        connecting: &Connecting<'_>,
        first: &mut MySqlConnection,
        facts: &Facts,
    ) -> Result<Keys, BackendError> {
        let (place, store) = (connecting.dsn.to_string(), |keys| self.store(connecting, facts, keys));
        let order = Order { only_plan: false, ..self.order };
        let wanted = self.wanted(&place, facts, order, &store);
        let plain = self.statements(Keys::Plain);
        Ok(schema::open(&mut Conn::new(first, &plain), wanted, self.migrate).await?)
    }

    fn wanted<'a>(
        &'a self,
        place: &'a str,
        facts: &Facts,
        order: Order,
        store: schema::MakeStore<'a>,
    ) -> Wanted<'a> {
        Wanted { place, family: facts.family, names: &self.tables, order, store }
    }

    /// The texts of the statements, for tables of these names.
    pub(super) fn statements(&self, keys: Keys) -> Statements {
        Statements::new(self.tables.clone(), keys)
    }

    /// How a database is connected to, if everything that was said can be.
    pub(super) fn connecting<'a>(
        &self,
        dsn: &'a MySqlDsn,
        access: Access,
    ) -> Result<Connecting<'a>, BackendError> {
        self.tables.check(Dialect::MariaDb).map_err(|error| {
            BackendError::with_source(ErrorKind::Permanent, format!("connect: {error}"), error)
        })?;
        self.pool.check().and_then(|()| dsn.tls.check_files()).map_err(wrong)?;
        Ok(Connecting {
            dsn,
            pool: self.pool,
            waits: self.waits,
            access,
            clock: StampClock::new(self.clock.clone()),
        })
    }

    /// A store; nothing is connected yet.
    fn store(&self, connecting: &Connecting<'_>, facts: &Facts, keys: Keys) -> MySqlStore {
        let server = Arc::new(connecting.lazy(facts.family, self.statements(keys)));
        MySqlStore::new(
            Arc::clone(&server),
            Display::new(server, None),
            Settings { object_bytes_max: facts.packet_bytes_max / 2, poll_every: self.poll_every },
        )
    }
}
