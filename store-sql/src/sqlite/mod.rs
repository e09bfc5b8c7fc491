//! SQLite: one file, one writer, any number of readers.
//!
//! The file is in WAL mode, and a commit is on disk when it is answered (`synchronous=FULL`). All writing goes through
//! one connection that a task of its own drives, so that a caller that stops waiting leaves no half transaction. A
//! statement has a price of its own, much higher than that of a row, so rows of many changes share one.

mod attach;
mod bulk;
mod catalog;
mod commit;
mod damaged;
mod decide;
mod due;
mod effects;
mod error;
mod handle;
mod identity;
mod list;
mod lock;
mod maintain;
mod migrate;
mod open;
mod operate;
mod read;
mod relay;
mod schema;
mod steps;
mod store;
mod writer;

pub(crate) use attach::SqliteWork;
pub use attach::attach;
pub use handle::{Sqlite, SqliteOptions};
pub(crate) use open::schema_version;
/// The driver, for the work that [`attach`] takes.
pub use sqlx;
pub use store::SqliteStore;
