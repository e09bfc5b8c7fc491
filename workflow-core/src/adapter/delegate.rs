//! What a decorator of a store leaves as it is.

/// Writes methods of [`Store`] that hand the call on to a field: those that a decorator leaves as they are.
///
/// Without names, all but `limits` and `commit`, which are what decorators are there for; else those that are named.
///
/// ```
/// use workflow_core::EventId;
/// use workflow_core::adapter::{BackendError, Change, Outcome, Store, StoreLimits};
///
/// /// Takes one change at a time.
/// struct OneByOne<S>(S);
///
/// impl<S: Store> Store for OneByOne<S> {
///     fn limits(&self) -> StoreLimits {
///         StoreLimits { batch_changes_max: 1, ..self.0.limits() }
///     }
///
///     async fn commit(&self, changes: Vec<Change>, acked: Vec<EventId>) -> Result<Vec<Outcome>, BackendError> {
///         self.0.commit(changes, acked).await
///     }
///
///     workflow_core::delegate_store!(0);
/// }
/// # fn is_store(_: &impl Store) {}
/// # use std::sync::Arc;
/// # use workflow_core::adapter::SystemClock;
/// # is_store(&OneByOne(workflow_core::memory::MemoryStore::new(Arc::new(SystemClock::new()))));
/// ```
///
/// [`Store`]: crate::adapter::Store
#[macro_export]
macro_rules! delegate_store {
    ($field:tt) => {
        $crate::delegate_store!($field: clock, waking, start_engine, stop_engine, lookup, latest, started_by, list, history);
        $crate::delegate_store!($field: entered, outbox, due, retry, retries, inbox, last_slot, dead_letters, register);
        $crate::delegate_store!($field: waiting_retries, driverless, purge);
    };
    ($field:tt: $($method:ident),+ $(,)?) => {
        $($crate::delegate_store!(@$method $field);)+
    };
    (@clock $field:tt) => {
        fn clock(&self) -> std::sync::Arc<dyn $crate::adapter::Clock> {
            self.$field.clock()
        }
    };
    (@waking $field:tt) => {
        fn waking(&self) -> $crate::adapter::Waking {
            self.$field.waking()
        }
    };
    (@start_engine $field:tt) => {
        async fn start_engine(&self, reach: $crate::adapter::Reach) -> Result<(), $crate::adapter::BackendError> {
            self.$field.start_engine(reach).await
        }
    };
    (@stop_engine $field:tt) => {
        async fn stop_engine(&self) {
            self.$field.stop_engine().await;
        }
    };
    (@$method:ident $field:tt) => {
        $crate::delegate_store!(@read $method $field);
    };
    (@read lookup $field:tt) => {
        $crate::delegate_store!(@fn $field, lookup(run_ids: &[$crate::RunId]) -> Vec<$crate::adapter::Found>);
    };
    (@read latest $field:tt) => {
        $crate::delegate_store!(@fn $field, latest(workflow_name: &$crate::WorkflowName, foreign_id: &$crate::ForeignId)
            -> Option<std::sync::Arc<$crate::Record>>);
    };
    (@read started_by $field:tt) => {
        $crate::delegate_store!(@fn $field, started_by(workflow_name: &$crate::WorkflowName, key: &$crate::StartKey)
            -> Option<std::sync::Arc<$crate::Record>>);
    };
    (@read list $field:tt) => {
        $crate::delegate_store!(@fn $field, list(query: &$crate::adapter::ListQuery) -> $crate::adapter::ListPage);
    };
    (@read history $field:tt) => {
        $crate::delegate_store!(@fn $field, history(query: &$crate::adapter::HistoryQuery) -> Vec<$crate::HistoryEntry>);
    };
    (@read entered $field:tt) => {
        $crate::delegate_store!(@fn $field, entered(runs: &[($crate::RunId, $crate::StatusCode)]) -> Vec<bool>);
    };
    (@read outbox $field:tt) => {
        $crate::delegate_store!(@fn $field, outbox(after: Option<&str>, limit: usize) -> $crate::adapter::OutboxPage);
    };
    (@read due $field:tt) => {
        $crate::delegate_store!(@fn $field, due(workflows: &[$crate::WorkflowName], limit: usize)
            -> $crate::adapter::DueWork);
    };
    (@read retry $field:tt) => {
        $crate::delegate_store!(@fn $field, retry(key: &$crate::adapter::RetryKey) -> Option<$crate::adapter::RetryRow>);
    };
    (@read retries $field:tt) => {
        $crate::delegate_store!(@fn $field, retries(keys: &[$crate::adapter::RetryKey])
            -> Vec<Option<$crate::adapter::RetryRow>>);
    };
    (@read inbox $field:tt) => {
        $crate::delegate_store!(@fn $field, inbox(run_id: $crate::RunId, status: $crate::StatusCode)
            -> Vec<$crate::adapter::Callback>);
    };
    (@read last_slot $field:tt) => {
        $crate::delegate_store!(@fn $field, last_slot(schedule: &$crate::adapter::SlotKey) -> Option<$crate::Timestamp>);
    };
    (@read dead_letters $field:tt) => {
        $crate::delegate_store!(@fn $field, dead_letters(limit: usize) -> Vec<$crate::adapter::DeadLetter>);
    };
    (@read register $field:tt) => {
        $crate::delegate_store!(@fn $field, register(role: &$crate::RoleName, claim: $crate::adapter::EpochClaim)
            -> Option<$crate::Epoch>);
    };
    (@read waiting_retries $field:tt) => {
        $crate::delegate_store!(@fn $field, waiting_retries(workflow_name: &$crate::WorkflowName, limit: usize) -> u64);
    };
    (@read driverless $field:tt) => {
        $crate::delegate_store!(@fn $field, driverless(workflow_name: &$crate::WorkflowName,
            untouched_for: std::time::Duration, after: Option<$crate::adapter::Cursor>, limit: usize)
            -> $crate::adapter::DriverlessSlice);
    };
    (@read purge $field:tt) => {
        $crate::delegate_store!(@fn $field, purge(workflow_name: &$crate::WorkflowName, older_than: std::time::Duration,
            limit: usize) -> u64);
    };
    (@fn $field:tt, $method:ident($($argument:ident: $kind:ty),*) -> $answer:ty) => {
        async fn $method(&self, $($argument: $kind),*) -> Result<$answer, $crate::adapter::BackendError> {
            self.$field.$method($($argument),*).await
        }
    };
}
