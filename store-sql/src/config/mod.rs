//! Where a database is and how it is connected to: connection strings and pool options.
//!
//! A string is read whole before anything is refused, so that everything that is wrong with it is known at once. What
//! is in it is honoured, or refused by name with the reason: nothing is passed over in silence. Passwords show as `***`
//! wherever a value of these types is printed.

mod dsn;
mod duration;
mod go_form;
mod keyword_form;
mod mysql;
#[cfg(feature = "mysql")]
mod mysql_connect;
mod mysql_params;
mod percent;
mod pool;
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_connect;
mod postgres_params;
mod problem;
mod secret;
mod sqlite;
mod tls;
mod url;

pub use dsn::Dsn;
pub use mysql::MySqlDsn;
pub use pool::PoolOptions;
pub use postgres::{Pooler, PostgresDsn};
pub use problem::{DsnError, DsnProblem};
pub use secret::Secret;
pub use sqlite::SqliteDsn;
pub use tls::{Tls, TlsMode};
