//! What SQLite's errors mean.

use std::path::Path;

use workflow_core::adapter::{BackendError, ErrorKind};

/// Result codes of SQLite, the low byte of its extended codes.
mod code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const NOTADB: i32 = 26;
}

/// An error of SQLite as one of the store: what was tried, on which file, and what to do.
pub(super) fn wrap(what: &str, file: &Path, error: sqlx::Error) -> BackendError {
    let file = file.display();
    let (kind, advice) = match code_of(&error) {
        Some(code::BUSY | code::LOCKED) => (ErrorKind::Transient, "another process holds its write lock"),
        Some(code::FULL) => (ErrorKind::Transient, "the disk or the file's quota is full: make room"),
        Some(code::IOERR) => (ErrorKind::Transient, "the disk cannot be read or written"),
        Some(code::READONLY) => {
            (ErrorKind::Permanent, "the file is read-only: make it and its folder writable")
        }
        Some(code::CANTOPEN) => (
            ErrorKind::Permanent,
            "the file cannot be opened: check that its folder exists and may be written to",
        ),
        Some(code::NOTADB) => (ErrorKind::Permanent, "the file is not a database: name another one"),
        Some(code::CORRUPT) => (ErrorKind::Corrupt, "the database is damaged: restore it from a backup"),
        None if is_garbage(&error) => {
            (ErrorKind::Corrupt, "a stored value is not what its column should hold")
        }
        None if is_lost(&error) => (ErrorKind::Transient, "the connection was lost"),
        _ => (ErrorKind::Permanent, "the statement failed"),
    };
    BackendError::with_source(kind, format!("{what} in {file}: {advice}"), error)
}

fn code_of(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// Whether somebody else has the file for a moment.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(code_of(error), Some(code::BUSY | code::LOCKED))
}

/// Whether the connection, not the statement, is at fault.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed | sqlx::Error::PoolTimedOut
    )
}

/// Whether a row holds something that its column should not.
fn is_garbage(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
}

/// A value in a row that cannot be what it is.
pub(super) fn corrupt(table: &str, why: impl std::fmt::Display) -> BackendError {
    BackendError::new(ErrorKind::Corrupt, format!("table {table}: {why}"))
}
