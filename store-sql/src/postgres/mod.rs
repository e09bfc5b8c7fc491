//! PostgreSQL, 15 or later.
//!
//! Rows of many changes share a statement: they travel as arrays, one a column, and are unnested by the server. A
//! transaction runs in a task of its own that is never aborted, so that a caller that stops waiting leaves no half of it
//! and no connection in doubt. All instants are the server's, unless a test has given
//! another clock.

mod attach;
mod attached;
mod catalog;
mod clock;
mod commit;
mod connect;
mod create;
mod decide;
mod display;
mod due;
mod effects;
mod error;
mod handle;
mod identity;
mod list;
mod maintain;
mod migrate;
mod operate;
mod options;
mod outbox;
mod pooler;
mod read;
mod reading;
mod relay;
mod relay_right;
mod right;
mod said;
mod schema;
mod stamp;
mod steps;
mod store;
mod timers;
mod together;
mod transaction;
mod trust;
mod write;

pub(crate) use attach::PostgresWork;
pub use attach::attach;
pub(crate) use connect::schema_version;
pub use handle::Postgres;
pub use options::PostgresOptions;
pub use store::PostgresStore;
