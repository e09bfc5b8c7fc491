//! What can go wrong in an adapter.

use std::fmt;
use std::sync::Arc;

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It may work if it is tried again: a lost connection, a lock that was not had in time, a full disk.
    Transient,
    /// It will not work again: a missing table, a refused login, a file that is not a database.
    Permanent,
    /// The commit may have happened or not; read back before anything else.
    UnknownOutcome,
    /// Another process runs engines on this store.
    AlreadyRunning,
    /// The stored data is not what this program can read.
    Corrupt,
    /// The attached work is for another kind of store.
    Unsupported,
    /// The store was closed.
    Closed,
}

/// An error of an adapter: what was tried, on what, what it means, and the cause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{context}")]
pub struct BackendError {
    kind: ErrorKind,
    context: Arc<str>,
    #[source]
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl BackendError {
    /// An error without a cause of its own; `context` says what was tried, on what, and what to do.
    pub fn new(kind: ErrorKind, context: impl fmt::Display) -> Self {
        Self { kind, context: context.to_string().into(), source: None }
    }

    /// An error with the driver's error as its cause.
    pub fn with_source(
        kind: ErrorKind,
        context: impl fmt::Display,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, context: context.to_string().into(), source: Some(Arc::from(source.into())) }
    }

    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may work later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Transient | ErrorKind::UnknownOutcome)
    }
}
