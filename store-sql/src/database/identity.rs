//! The id of a database, by which whoever shares a place of coordination knows it.

use uuid::Uuid;
use workflow_core::adapter::{BackendError, ErrorKind};

use super::Database;

/// The row of the table of roles that keeps the id. It is no role: none is called so, and nobody owns it. There it needs
/// no table of its own, nor a version of the tables that older programs would not know.
pub(crate) const ROW: &str = "database-id";

/// A new id, as it is kept.
pub(crate) fn made() -> String {
    Uuid::new_v4().to_string()
}

/// The id as it was kept.
pub(crate) fn read(kept: Option<String>, place: &str) -> Result<Uuid, BackendError> {
    let id = kept.and_then(|text| text.parse().ok());
    id.ok_or_else(|| {
        let context = format!(
            "{place}: the row {ROW:?} of the table of roles has no id as its doorbell: delete it, and restart all programs"
        );
        BackendError::new(ErrorKind::Corrupt, context)
    })
}

impl Database {
    /// The id of this database's tables: random, made when it is asked for first, and kept in them.
    ///
    /// It is what a scheduler's namespace is bound to, so that two databases with one namespace do not take each other's
    /// roles away. A copy of a database has the id of the original.
    ///
    /// # Errors
    /// If the database does not answer, or somebody has broken what it keeps.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = format!("sqlite:{}", folder.path().join("orders.db").display());
    /// use store_sql::Database;
    /// let id = Database::connect(&url).await?.id().await?;
    /// assert_eq!(Database::connect(&url).await?.id().await?, id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn id(&self) -> Result<Uuid, BackendError> {
        let kept = match self {
            #[cfg(feature = "mysql")]
            Database::MySql(mysql) => mysql.store().kept_id().await,
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.store().kept_id().await,
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.store().kept_id().await,
        };
        read(kept?, &self.place())
    }
}
