//! The handle that operators' tools hold.

use workflow_core::adapter::BackendError;
use workflow_core::{Epoch, RoleName, Timestamp};

use super::expire::{Expiring, Expiry, Slice, Sliced};
use super::outbox::{Counted, OutboxStatus, Unrouted};
use super::{ArchiveTable, Discarded, LetterPage, LetterQuery, Requeued, TableSize};
use crate::{Database, TableNames};

/// What operators do with a database. Clones share its connections.
///
/// All of it is safe beside working engines, and to interrupt.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let url = format!("sqlite:{}", folder.path().join("orders.db").display());
/// use std::time::Duration;
/// use store_sql::Database;
/// use store_sql::maintenance::{Expiry, Maintenance, What};
/// let maintenance = Maintenance::of(&Database::connect(&url).await?);
/// assert_eq!(maintenance.outbox_status().await?.rows(), 0);
/// let month = Duration::from_secs(30 * 24 * 3600);
/// let mut expiring = maintenance.expire(&Expiry::new(What::Delete, month)).await?;
/// while let Some(batch) = expiring.next_batch().await? {
///     println!("{}: {} runs", batch.workflow_name, batch.rows);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Maintenance(Database);

/// Asks the store of whichever kind it is.
macro_rules! ask {
    ($this:ident, |$store:ident| $question:expr) => {
        match &$this.0 {
            #[cfg(feature = "mysql")]
            Database::MySql(mysql) => {
                let $store = mysql.store();
                $question.await
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => {
                let $store = postgres.store();
                $question.await
            }
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => {
                let $store = sqlite.store();
                $question.await
            }
        }
    };
}

impl Maintenance {
    /// The maintenance of a database.
    pub fn of(database: &Database) -> Self {
        Self(database.clone())
    }

    /// What waits in the outbox, and how many dead letters there are.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn outbox_status(&self) -> Result<OutboxStatus, BackendError> {
        let (mut counted, mut after) = (Counted::default(), String::new());
        loop {
            let slice = ask!(self, |store| store.outbox_slice(&after))?;
            counted.add(slice.workflows);
            match slice.next {
                Some(next) => after = next,
                None => break,
            }
        }
        let dead_letters = ask!(self, |store| store.count_letters())?;
        Ok(OutboxStatus { now: self.now().await?, workflows: counted.workflows(), dead_letters })
    }

    /// A page of the dead letters.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn dead_letters(&self, query: &LetterQuery) -> Result<LetterPage, BackendError> {
        let letters = ask!(self, |store| store.letters(query))?;
        Ok(LetterPage::of(letters, query.limit))
    }

    /// Puts the event of a dead letter back into the outbox, as a new row with the same content, and deletes the dead
    /// letter in the same transaction. An engine takes it up as it does any event: one that was dealt with meanwhile is
    /// known by its version and passed over.
    ///
    /// # Errors
    /// If the database cannot be reached or refuses. If the outcome is unknown, ask again: whoever comes second is told
    /// that there is no such dead letter.
    pub async fn requeue(&self, id: &str) -> Result<Requeued, BackendError> {
        ask!(self, |store| store.requeue(id))
    }

    /// Throws a dead letter away. If its event was what drives a run, the run stays where it is until the reconciler
    /// finds that nothing drives it.
    ///
    /// # Errors
    /// If the database cannot be reached or refuses.
    pub async fn discard(&self, id: &str) -> Result<Discarded, BackendError> {
        ask!(self, |store| store.discard(id))
    }

    /// Begins to deal with old runs that have ended. Nothing but making the archive's tables is done before the first
    /// batch.
    ///
    /// No run is touched that goes on, or that has an unsent event, a retry that will be due or a dead letter. A start
    /// key goes with its run: it then makes a new one.
    ///
    /// # Errors
    /// If the database cannot be reached or refuses, or if a row of the outbox hides of which run it is.
    pub async fn expire(&self, expiry: &Expiry) -> Result<Expiring, BackendError> {
        Expiring::begin(self.clone(), expiry).await
    }

    /// How large each table is, by the database's own book-keeping.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn sizes(&self) -> Result<Vec<TableSize>, BackendError> {
        ask!(self, |store| store.sizes())
    }

    /// The names of all workflows that have runs.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn workflows(&self) -> Result<Vec<String>, BackendError> {
        let mut names: Vec<String> = Vec::new();
        loop {
            let after = names.last().map_or("", String::as_str);
            match ask!(self, |store| store.next_workflow(after))? {
                Some(name) => names.push(name),
                None => return Ok(names),
            }
        }
    }

    /// The epoch of each role that an engine of this database has owned, by role. Who owns a role now, the scheduler knows.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn role_epochs(&self) -> Result<Vec<(RoleName, Epoch)>, BackendError> {
        let rows = ask!(self, |store| store.role_epochs())?;
        let epoch = |epoch: i64| Epoch::new(u64::try_from(epoch).unwrap_or_default());
        let roles = rows.into_iter().filter(|(role, _)| role != crate::database::identity::ROW);
        Ok(roles.map(|(role, number)| (RoleName::new(role), epoch(number))).collect())
    }

    /// What the tables are called.
    pub(super) fn names(&self) -> &TableNames {
        match &self.0 {
            #[cfg(feature = "mysql")]
            Database::MySql(mysql) => mysql.store().names(),
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.store().names(),
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.store().names(),
        }
    }

    /// The present, by the clock that stamps rows.
    pub(super) async fn now(&self) -> Result<Timestamp, BackendError> {
        ask!(self, |store| store.present())
    }

    pub(super) async fn unrouted(&self, after: &str, before: Timestamp) -> Result<Unrouted, BackendError> {
        ask!(self, |store| store.unrouted(after, before))
    }

    pub(super) async fn make_archive(&self, table: &ArchiveTable) -> Result<(), BackendError> {
        ask!(self, |store| store.make_archive(table))
    }

    pub(super) async fn expire_slice(&self, slice: Slice) -> Result<Sliced, BackendError> {
        ask!(self, |store| store.expire_slice(slice))
    }
}
