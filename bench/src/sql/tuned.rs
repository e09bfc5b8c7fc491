//! A store with other limits than its own, which remembers how large its transactions were.

use std::sync::{Arc, Mutex, PoisonError};

use workflow::EventId;
use workflow::adapter::{Backend, BackendError, Change, Outcome, Store, StoreLimits};
use workflow::memory::{InProcessScheduler, InProcessStreamer};
use workflow::prelude::{MySql, Postgres};

use super::database::{Database, Kind};

/// How many changes the commits had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes(Arc<Mutex<Vec<f64>>>);

impl Sizes {
    pub(super) fn note(&self, changes: usize) {
        // A commit of deletions alone is no transaction that changes runs.
        if changes > 0 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(changes as f64);
        }
    }

    /// Those since the last call.
    pub(crate) fn take(&self) -> Vec<f64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How an engine commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// As the store says.
    Grouped,
    /// Each change in a transaction of its own, one at a time.
    Single,
}

/// A backend on a database, and the sizes of its commits.
pub(crate) async fn backend(database: &Database, how: How) -> anyhow::Result<(Backend, Sizes)> {
    let url = database.url()?;
    let sizes = Sizes::default();
    let backend = match database.kind {
        Kind::MariaDb => over(MySql::connect(&url).await?.store().clone(), how, sizes.clone()),
        Kind::Postgres => over(Postgres::connect(&url).await?.store().clone(), how, sizes.clone()),
    };
    Ok((backend, sizes))
}

fn over(store: impl Store, how: How, sizes: Sizes) -> Backend {
    Backend::new(Tuned { store, how, sizes }, InProcessStreamer::new(), InProcessScheduler::new())
}

/// A store, decorated.
struct Tuned<S> {
    store: S,
    how: How,
    sizes: Sizes,
}

impl<S: Store> Store for Tuned<S> {
    fn limits(&self) -> StoreLimits {
        match self.how {
            How::Grouped => self.store.limits(),
            How::Single => StoreLimits { batch_changes_max: 1, committers: 1, ..self.store.limits() },
        }
    }

    async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
        if self.how == How::Grouped || changes.len() < 2 {
            self.sizes.note(changes.len());
            return self.store.commit(changes, acked).await;
        }
        // What one call hands in together is a batch for the engine, whatever the limit.
        let (mut outcomes, mut acked) = (Vec::with_capacity(changes.len()), acked);
        for change in changes {
            self.sizes.note(1);
            outcomes.append(&mut self.store.commit(vec![change], std::mem::take(&mut acked)).await?);
        }
        Ok(outcomes)
    }

    workflow::delegate_store!(store);
}
