//! Which version the tables of a database have, asked without changing anything.

use workflow_core::adapter::BackendError;

use crate::TableNames;
use crate::config::Dsn;

/// The version of the tables of a database.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let url = format!("sqlite:{}", folder.path().join("orders.db").display());
/// use store_sql::{Database, SchemaVersion, TableNames};
/// let names = TableNames::default();
/// assert_eq!(SchemaVersion::of(&url.parse()?, &names).await?, None);
/// Database::connect(&url).await?;
/// let found = SchemaVersion::of(&url.parse()?, &names).await?;
/// assert_eq!(found.map(|found| found.version), Some(SchemaVersion::made_by_this_program(&url.parse()?)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The version.
    pub version: i64,
    /// The oldest program that can still work with these tables: the version that it makes itself.
    pub oldest_program: i64,
}

impl SchemaVersion {
    /// The version that this program makes in a database of this kind.
    pub fn made_by_this_program(dsn: &Dsn) -> i64 {
        match dsn {
            #[cfg(feature = "mysql")]
            Dsn::MySql(_) => i64::from(crate::mysql::VERSION),
            #[cfg(feature = "postgres")]
            Dsn::Postgres(_) => i64::from(crate::postgres::VERSION),
            #[cfg(feature = "sqlite")]
            Dsn::Sqlite(_) => crate::sqlite::VERSION,
            #[cfg(not(all(feature = "mysql", feature = "postgres", feature = "sqlite")))]
            // It makes none.
            _ => 0,
        }
    }

    /// The version of the tables of these names that are there; `None` if there are none.
    ///
    /// # Errors
    /// If the database cannot be reached or refuses, or its kind is not compiled into this program.
    pub async fn of(dsn: &Dsn, names: &TableNames) -> Result<Option<Self>, BackendError> {
        let found = match dsn {
            #[cfg(feature = "mysql")]
            Dsn::MySql(dsn) => crate::mysql::schema_version(dsn, names).await?,
            #[cfg(feature = "postgres")]
            Dsn::Postgres(dsn) => crate::postgres::schema_version(dsn, names).await?,
            #[cfg(feature = "sqlite")]
            Dsn::Sqlite(dsn) => crate::sqlite::schema_version(dsn, names).await?,
            #[cfg(not(all(feature = "mysql", feature = "postgres", feature = "sqlite")))]
            other => return Err(crate::database::refuse(other)),
        };
        Ok(found.map(|(version, oldest_program)| Self { version, oldest_program }))
    }
}
