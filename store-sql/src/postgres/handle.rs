//! A whole backend in one database.

use std::fmt;

use workflow_core::adapter::{Backend, BackendError};
use workflow_core::memory::{InProcessScheduler, InProcessStreamer};

use super::options::PostgresOptions;
use super::store::PostgresStore;

/// A backend in one PostgreSQL database (15 or later). Clones share everything.
///
/// One process at a time runs workflows on it; others may trigger, call back, pause and read.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use store_sql::Postgres;
/// let backend = Postgres::connect("postgres://user:password@localhost/orders").await?;
/// println!("{}", backend.database());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Postgres {
    store: PostgresStore,
    backend: Backend,
}

impl Postgres {
    pub(super) fn new(store: PostgresStore) -> Self {
        let backend = Backend::new(store.clone(), InProcessStreamer::new(), InProcessScheduler::new());
        Self { store, backend }
    }

    /// Connects to a database by a URL or PostgreSQL's keyword form (see [`Dsn`](crate::config::Dsn)), and makes its
    /// tables if they are not there.
    ///
    /// # Errors
    /// If the string cannot be used, the server cannot be reached or refuses the login, it is older than PostgreSQL 15, a
    /// pooler stands before it that keeps no sessions and the string does not say so, or the tables were made by a newer
    /// version of this program that does not tolerate this one.
    pub async fn connect(url: &str) -> Result<Self, BackendError> {
        Self::options().connect(url).await
    }

    /// Settings other than the defaults.
    pub fn options() -> PostgresOptions {
        PostgresOptions::new()
    }

    /// The store alone.
    pub fn store(&self) -> &PostgresStore {
        &self.store
    }

    /// Where the database is, without the password.
    pub fn database(&self) -> &str {
        self.store.database()
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("database", &self.database()).finish_non_exhaustive()
    }
}

impl From<Postgres> for Backend {
    fn from(postgres: Postgres) -> Self {
        postgres.backend
    }
}

impl From<&Postgres> for Backend {
    fn from(postgres: &Postgres) -> Self {
        postgres.backend.clone()
    }
}
