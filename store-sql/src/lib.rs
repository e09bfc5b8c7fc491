//! The SQL store of a durable workflow engine: records, outbox, timers, retries and history in one database.

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod certificate;
pub mod config;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod record_row;
#[cfg(any(feature = "mysql", feature = "sqlite"))]
mod rounds;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "mysql")]
pub use mysql::{MySql, MySqlOptions};
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteOptions};
