//! The SQL store of a durable workflow engine: records, outbox, timers, retries and history in one database.

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub mod any;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod attached;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod certificate;
pub mod config;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod conn;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod database;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod decided;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod dialect;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub mod doctor;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod held;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod hindrances;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub mod maintenance;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod names;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod record_row;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod ringer;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod rounds;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod schema;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod schema_version;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod work_error;

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use database::{Database, DatabaseOptions};
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use dialect::{Dialect, UnknownDialect};
#[cfg(feature = "mysql")]
pub use mysql::{MySql, MySqlOptions};
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use names::{NameError, NamePart, NameProblem, Table, TableNames};
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresOptions};
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use schema::{Done, Duplicate, IndexSet, MigrateError, Migration, guard_sql, schema_sql};
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use schema_version::SchemaVersion;
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteOptions};
