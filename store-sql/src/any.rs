//! A user's own SQL in the transaction of a transition, whatever the database is: for programs that run on several.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "mysql")]
use sqlx::MySqlConnection;
#[cfg(feature = "postgres")]
use sqlx::PgConnection;
#[cfg(feature = "sqlite")]
use sqlx::SqliteConnection;
use workflow_core::adapter::{Attached, BoxFuture};

/// The connection on which a transition is being stored.
///
/// [`Connection::execute`] takes the same statement on every database. What is to be said differently to one, or read from
/// it, is said to the connection that a variant holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Connection<'c> {
    /// To MariaDB or MySQL.
    #[cfg(feature = "mysql")]
    MySql(&'c mut MySqlConnection),
    /// To PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(&'c mut PgConnection),
    /// To SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut SqliteConnection),
}

/// A value of a statement.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// Binds values to a query of any database.
macro_rules! bound {
    ($query:expr, $values:expr) => {
        $values.into_iter().fold($query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    };
}

impl Connection<'_> {
    /// Executes a statement with `?` for each of its values, and tells how many rows it changed; on MariaDB and MySQL, how
    /// many it found.
    ///
    /// # Errors
    /// What the database says.
    pub async fn execute<const N: usize>(
        &mut self,
        sql: &'static str,
        values: [Value; N],
    ) -> Result<u64, sqlx::Error> {
        match self {
            #[cfg(feature = "mysql")]
            Connection::MySql(connection) => {
                let done = bound!(sqlx::query(sql), values).execute(&mut **connection).await?;
                Ok(done.rows_affected())
            }
            #[cfg(feature = "postgres")]
            Connection::Postgres(connection) => {
                let query = sqlx::query(sqlx::AssertSqlSafe(numbered(sql)));
                Ok(bound!(query, values).execute(&mut **connection).await?.rows_affected())
            }
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(connection) => {
                let done = bound!(sqlx::query(sql), values).execute(&mut **connection).await?;
                Ok(done.rows_affected())
            }
        }
    }
}

/// The statement as PostgreSQL takes it: `$1` for the first `?`. What is quoted stays.
#[cfg(feature = "postgres")]
fn numbered(sql: &str) -> String {
    let (mut text, mut quote, mut number) = (String::with_capacity(sql.len() + 8), None, 0);
    for char in sql.chars() {
        match (quote, char) {
            (None, '?') => {
                number += 1;
                text += &format!("${number}");
                continue;
            }
            (None, '\'' | '"') => quote = Some(char),
            (Some(opened), _) if opened == char => quote = None,
            _ => {}
        }
        text.push(char);
    }
    text
}

/// Work on the same database that commits with a transition or not at all: give it to
/// [`Run::attach`](workflow_core::Run::attach).
///
/// It runs after the transition was found to hold, and may run again, as a transaction may: give its `sqlx` errors back, so
/// that deadlocks can be told from failures. It must neither begin nor end a transaction, nor change tables. A program
/// that runs on one kind of database alone uses the function of its module, as [`sqlite::attach`](crate::sqlite::attach).
///
/// ```
/// use store_sql::any::attach;
/// let (from, cents) = ("alice", 500);
/// let work = attach(move |mut connection| {
///     Box::pin(async move {
///         let debit = "update accounts set cents = cents - ? where name = ?";
///         connection.execute(debit, [cents.into(), from.into()]).await?;
///         Ok::<(), sqlx::Error>(())
///     })
/// });
/// # let _ = work;
/// ```
pub fn attach<W, E>(work: W) -> Attached
where
    W: for<'c> Fn(Connection<'c>) -> BoxFuture<'c, Result<(), E>> + Send + Sync + 'static,
    E: fmt::Display + Send + 'static,
{
    let work = Arc::new(work);
    Attached::new(AnyWork {
        #[cfg(feature = "mysql")]
        mysql: {
            let work = Arc::clone(&work);
            crate::mysql::MySqlWork::new(move |connection| work(Connection::MySql(connection)))
        },
        #[cfg(feature = "postgres")]
        postgres: {
            let work = Arc::clone(&work);
            crate::postgres::PostgresWork::new(move |connection| work(Connection::Postgres(connection)))
        },
        #[cfg(feature = "sqlite")]
        sqlite: {
            let work = Arc::clone(&work);
            crate::sqlite::SqliteWork::new(move |connection| work(Connection::Sqlite(connection)))
        },
    })
}

/// The work as each store takes it.
pub(crate) struct AnyWork {
    #[cfg(feature = "mysql")]
    pub(crate) mysql: crate::mysql::MySqlWork,
    #[cfg(feature = "postgres")]
    pub(crate) postgres: crate::postgres::PostgresWork,
    #[cfg(feature = "sqlite")]
    pub(crate) sqlite: crate::sqlite::SqliteWork,
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_and_what_is_quoted_stays() {
        let sql = r#"update "is it?" set a = ?, b = 'who''s there?' where c = ? and d = '' or e = ?"#;
        let same = r#"update "is it?" set a = $1, b = 'who''s there?' where c = $2 and d = '' or e = $3"#;
        assert_eq!(numbered(sql), same);
    }
}
