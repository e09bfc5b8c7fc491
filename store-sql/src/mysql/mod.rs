//! MariaDB and MySQL: many programs, one database.
//!
//! A commit is one transaction: it locks the rows of the roles it works under, then those of its runs, sorted and
//! passing over what somebody else holds; judges every change by what it has locked; and writes many rows a statement.
//! No transaction is ever left half-way by a caller that stops waiting: each runs in a task of its own, and the server
//! ends those of a process that has died or frozen.

mod attach;
mod bulk;
mod catalog;
mod clock;
mod commit;
mod create;
mod decide;
mod display;
mod doubt;
mod due;
mod effects;
mod error;
mod handle;
mod identity;
mod keys;
mod list;
mod maintain;
mod migrate;
mod named;
mod operate;
mod options;
mod read;
mod relay;
mod relay_right;
mod right;
mod rows;
mod schema;
mod server;
mod session;
mod steps;
mod store;
mod transaction;
mod work;

pub(crate) use attach::MySqlWork;
pub use attach::attach;
pub use handle::MySql;
pub use options::MySqlOptions;
pub(crate) use server::schema_version;
pub use store::MySqlStore;
