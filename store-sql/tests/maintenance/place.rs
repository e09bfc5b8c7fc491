//! A database of a test, by a clock that stands still, and beside the store a connection of its own.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, SqliteConnection};
use store_sql::Database;
use store_sql::config::PoolOptions;
use store_sql::maintenance::{Batch, Expiry, Maintenance};
use workflow_core::testing::ManualClock;

use crate::mysql_support;
use crate::schemas::Schema;

pub(crate) struct Place {
    url: String,
    clock: ManualClock,
    database: Database,
    _kept: Box<dyn Any + Send + Sync>,
}

impl Place {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("orders.db").display());
        Self::at(url, Box::new(folder)).await
    }

    pub(crate) async fn mariadb() -> Self {
        let database = mysql_support::Database::fresh().await;
        Self::at(database.url(), Box::new(database)).await
    }

    pub(crate) async fn postgres() -> Self {
        let schema = Schema::fresh().await;
        Self::at(schema.url(), Box::new(schema)).await
    }

    async fn at(url: String, kept: Box<dyn Any + Send + Sync>) -> Self {
        let clock = ManualClock::new();
        let pool = PoolOptions::new().max_open(4).min_idle(0);
        let options = Database::options().pool(pool).clock(Arc::new(clock.clone()));
        let database = options.connect(&url).await.unwrap();
        Self { url, clock, database, _kept: kept }
    }

    /// The database by a clock that a test moves.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The database by its own clock, as another process opens it.
    pub(crate) async fn by_its_own_clock(&self) -> Database {
        let pool = PoolOptions::new().max_open(6).min_idle(0);
        let options = Database::options().pool(pool).poll_every(Duration::from_millis(10));
        options.connect(&self.url).await.unwrap()
    }

    pub(crate) fn maintenance(&self) -> Maintenance {
        Maintenance::of(&self.database)
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time).await;
    }

    /// Does all batches; gives them.
    pub(crate) async fn expire(&self, expiry: &Expiry) -> Vec<Batch> {
        let mut expiring = self.maintenance().expire(expiry).await.unwrap();
        let mut batches = Vec::new();
        while let Some(batch) = expiring.next_batch().await.unwrap() {
            batches.push(batch);
        }
        batches
    }

    /// Runs statements beside the store.
    pub(crate) async fn run(&self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        match &self.database {
            Database::MySql(_) => {
                let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
                sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            }
            Database::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            }
            Database::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            }
            other => panic!("{other:?}"),
        }
    }

    /// The number that a query gives.
    pub(crate) async fn number(&self, text: &str) -> i64 {
        let text = AssertSqlSafe(text.to_owned());
        match &self.database {
            Database::MySql(_) => {
                let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap()
            }
            Database::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap()
            }
            Database::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap()
            }
            other => panic!("{other:?}"),
        }
    }
}
