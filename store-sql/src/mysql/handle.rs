//! A whole backend in one database.

use std::fmt;

use workflow_core::adapter::{Backend, BackendError};
use workflow_core::memory::{InProcessScheduler, InProcessStreamer};

use super::options::MySqlOptions;
use super::store::MySqlStore;

/// A backend in a MariaDB or MySQL database. Clones share everything.
///
/// One process at a time runs workflows on a database; others may trigger, call back, pause and read.
///
/// ```no_run
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use store_sql::MySql;
/// let backend = MySql::connect("mysql://shop:secret@localhost:3306/orders").await?;
/// # let _ = backend;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MySql {
    store: MySqlStore,
    backend: Backend,
}

impl MySql {
    pub(super) fn new(store: MySqlStore) -> Self {
        let backend = Backend::new(store.clone(), InProcessStreamer::new(), InProcessScheduler::new());
        Self { store, backend }
    }

    /// Connects to a database by a URL or the Go driver's form (see [`Dsn`](crate::config::Dsn)), and makes its tables
    /// if they are not there.
    ///
    /// # Errors
    /// If the string cannot be used, the server cannot be reached, refuses the login or is too old, or the tables were
    /// made by a newer version of this program that does not tolerate this one.
    pub async fn connect(url: &str) -> Result<Self, BackendError> {
        Self::options().connect(url).await
    }

    /// Settings other than the defaults.
    pub fn options() -> MySqlOptions {
        MySqlOptions::new()
    }

    /// The store alone.
    pub fn store(&self) -> &MySqlStore {
        &self.store
    }

    /// Where the database is, without the password.
    pub fn database(&self) -> &str {
        self.store.database()
    }
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySql").field("database", &self.database()).finish_non_exhaustive()
    }
}

impl From<MySql> for Backend {
    fn from(mysql: MySql) -> Self {
        mysql.backend
    }
}

impl From<&MySql> for Backend {
    fn from(mysql: &MySql) -> Self {
        mysql.backend.clone()
    }
}
