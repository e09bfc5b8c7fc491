//! A connection for queries: as it is, or in a transaction where no session is kept.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::connect::Place;

/// A connection on which queries are made; end it when they are.
pub(super) struct Reading {
    connection: PoolConnection<Postgres>,
    in_transaction: bool,
}

impl Reading {
    pub(super) async fn begin(
        connection: PoolConnection<Postgres>,
        place: &Place,
    ) -> Result<Self, sqlx::Error> {
        let mut reading = Self { connection, in_transaction: false };
        if place.is_pooled() {
            // Without a transaction each statement of a query could go to another process of the server.
            reading.in_transaction = true;
            let begin = format!("begin; {}", place.transaction_settings());
            sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *reading.connection).await?;
        }
        Ok(reading)
    }

    pub(super) async fn end(mut self) -> Result<(), sqlx::Error> {
        if self.in_transaction {
            sqlx::raw_sql("commit").execute(&mut *self.connection).await?;
            self.in_transaction = false;
        }
        Ok(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // What was left in the middle is not for the next one to use.
        if self.in_transaction {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Reading {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Runs a query on a database, again if its connection was lost, and says what it was for if it fails.
macro_rules! read {
    ($database:expr, $what:literal, |$connection:ident| $query:expr) => {{
        let database = &$database;
        let mut tries = 0;
        loop {
            tries += 1;
            let read = async {
                let mut reading = database.reading(tries > 1).await?;
                let $connection =
                    &mut $crate::postgres::connect::Conn::new(&mut *reading, database.statements());
                let value = $query.await?;
                reading.end().await?;
                Ok::<_, sqlx::Error>(value)
            };
            match read.await {
                Ok(read) => break Ok(read),
                Err(error)
                    if tries < $crate::postgres::reading::READS_MAX
                        && $crate::postgres::error::class(&error) == $crate::postgres::error::Class::Lost => {
                }
                Err(error) => break Err(database.place().wrap($what, error)),
            }
        }
    }};
}
pub(super) use read;

/// How often a read is tried whose connection is lost: it may have been lost long ago.
pub(super) const READS_MAX: u32 = 3;
