//! The tables as they are, past the store.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

/// How long a statement waits for the engine's write lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection of the test's own.
pub struct Raw(SqliteConnection);

impl Raw {
    /// Opens a file that is there, to read and to write.
    ///
    /// # Errors
    /// If it is not there, or no database.
    pub async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(file).busy_timeout(BUSY_TIMEOUT);
        SqliteConnection::connect_with(&options).await.map(Self)
    }

    /// Runs statements.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await.map(drop)
    }

    /// Runs a statement and tells how many rows it changed.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn change(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await?;
        Ok(done.rows_affected())
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<SqliteRow>, sqlx::Error> {
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.0).await
    }

    /// The one number of a query.
    ///
    /// # Errors
    /// What SQLite says, or if it is no number.
    pub async fn number(&mut self, sql: &str) -> Result<i64, sqlx::Error> {
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.0).await?.try_get(0)
    }

    /// The texts in the first column of a query.
    ///
    /// # Errors
    /// What SQLite says, or if one is no text.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<String>, sqlx::Error> {
        self.rows(sql).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// Closes it.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.0.close().await
    }
}
