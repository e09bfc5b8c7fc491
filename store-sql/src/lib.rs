//! The SQL store of a durable workflow engine: records, outbox, timers, retries and history in one database.

#[cfg(feature = "postgres")]
pub mod postgres;
mod record_row;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteOptions};
