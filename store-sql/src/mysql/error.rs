//! What errors of MariaDB and MySQL mean.

use sqlx::mysql::MySqlDatabaseError;
use workflow_core::adapter::{BackendError, ErrorKind};

use crate::certificate::is_certificate;

/// Error numbers; the names are the servers' own.
mod number {
    pub(super) const DISK_FULL: u16 = 1021;
    pub(super) const CHECKREAD: u16 = 1020;
    pub(super) const CON_COUNT: u16 = 1040;
    pub(super) const DBACCESS_DENIED: u16 = 1044;
    pub(super) const ACCESS_DENIED: u16 = 1045;
    pub(super) const BAD_DB: u16 = 1049;
    pub(super) const SERVER_SHUTDOWN: u16 = 1053;
    pub(super) const BAD_FIELD: u16 = 1054;
    pub(super) const DUP_ENTRY: u16 = 1062;
    pub(super) const RECORD_FILE_FULL: u16 = 1114;
    pub(super) const TABLEACCESS_DENIED: u16 = 1142;
    pub(super) const COLUMNACCESS_DENIED: u16 = 1143;
    pub(super) const SPECIFIC_ACCESS_DENIED: u16 = 1227;
    pub(super) const NO_SUCH_TABLE: u16 = 1146;
    pub(super) const NET_PACKET_TOO_LARGE: u16 = 1153;
    pub(super) const TOO_MANY_USER_CONNECTIONS: u16 = 1203;
    pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;
    pub(super) const LOCK_DEADLOCK: u16 = 1213;
    pub(super) const USER_LIMIT_REACHED: u16 = 1226;
    pub(super) const OPTION_PREVENTS_STATEMENT: u16 = 1290;
    pub(super) const SP_DOES_NOT_EXIST: u16 = 1305;
    pub(super) const QUERY_INTERRUPTED: u16 = 1317;
    pub(super) const BINLOG_CREATE_ROUTINE_NEED_SUPER: u16 = 1419;
    pub(super) const SIGNAL_EXCEPTION: u16 = 1644;
    pub(super) const READ_ONLY_MODE: u16 = 1836;
    pub(super) const ALTER_NOT_SUPPORTED: u16 = 1845;
    pub(super) const ALTER_NOT_SUPPORTED_REASON: u16 = 1846;
    pub(super) const CONNECTION_KILLED: u16 = 1927;
    pub(super) const STATEMENT_TIMEOUT: u16 = 1969;
    pub(super) const QUERY_TIMEOUT: u16 = 3024;
    pub(super) const CLIENT_INTERACTION_TIMEOUT: u16 = 4031;
}

/// The server's error number.
pub(super) fn number_of(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// An error as one of the store: what was tried, where, and what to do.
pub(super) fn wrap(what: &str, place: &str, error: sqlx::Error) -> BackendError {
    let (kind, advice) = meaning(&error);
    BackendError::with_source(kind, format!("{what} in {place}: {advice}"), error)
}

fn meaning(error: &sqlx::Error) -> (ErrorKind, &'static str) {
    use ErrorKind::{Permanent, Transient};
    if is_untrusted(error) {
        return (Permanent, "the encrypted connection was refused: check ssl-mode and certificates");
    }
    if is_lost(error) {
        return (Transient, "the connection to the server was lost, or none could be made");
    }
    match number_of(error) {
        Some(number::LOCK_DEADLOCK | number::LOCK_WAIT_TIMEOUT | number::CHECKREAD) => {
            (Transient, "other transactions hold the same rows")
        }
        Some(number::DISK_FULL | number::RECORD_FILE_FULL) => {
            (Transient, "the server's disk is full: make room")
        }
        Some(number::CON_COUNT | number::TOO_MANY_USER_CONNECTIONS | number::USER_LIMIT_REACHED) => (
            Transient,
            "the server has no connection free: raise its max_connections, or lower max_open of the pool",
        ),
        Some(number::OPTION_PREVENTS_STATEMENT | number::READ_ONLY_MODE) => {
            (Transient, "the server is read-only: connect to the primary")
        }
        Some(number::STATEMENT_TIMEOUT | number::QUERY_TIMEOUT | number::QUERY_INTERRUPTED) => {
            (Transient, "the statement took longer than it may")
        }
        Some(number::DBACCESS_DENIED | number::ACCESS_DENIED) => {
            (Permanent, "the login is refused: check user, password and database")
        }
        Some(number::TABLEACCESS_DENIED | number::COLUMNACCESS_DENIED) => {
            (Permanent, "the user lacks a right on the tables: grant it")
        }
        Some(number::BAD_DB) => (Permanent, "there is no such database: create it"),
        Some(number::NO_SUCH_TABLE | number::BAD_FIELD) => {
            (Permanent, "a table or column is missing: run the migrations")
        }
        Some(number::SIGNAL_EXCEPTION) => {
            (Permanent, "a trigger refused the statement: the guard, or one that was made elsewhere")
        }
        Some(number::NET_PACKET_TOO_LARGE) => {
            (Permanent, "a value is larger than the server takes: raise its max_allowed_packet")
        }
        _ => (Permanent, "the statement failed"),
    }
}

/// Whether the connection, not the statement, is at fault.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    let by_server = matches!(
        number_of(error),
        Some(number::SERVER_SHUTDOWN | number::CONNECTION_KILLED | number::CLIENT_INTERACTION_TIMEOUT)
    );
    let lost = matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::PoolClosed
            | sqlx::Error::PoolTimedOut
    );
    by_server || (lost && !is_untrusted(error))
}

/// Whether the server, or this program, does not trust the other.
fn is_untrusted(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => is_certificate(error),
        _ => false,
    }
}

/// Whether the same transaction may do better from its beginning.
pub(super) fn is_contention(error: &sqlx::Error) -> bool {
    matches!(number_of(error), Some(number::LOCK_DEADLOCK | number::LOCK_WAIT_TIMEOUT | number::CHECKREAD))
}

/// Whether a COMMIT that failed so has surely stored nothing.
pub(super) fn is_refused_commit(error: &sqlx::Error) -> bool {
    is_contention(error)
        || matches!(
            number_of(error),
            Some(number::DISK_FULL | number::RECORD_FILE_FULL | number::READ_ONLY_MODE)
        )
}

/// Whether the user lacks a right.
pub(super) fn is_denied(error: &sqlx::Error) -> bool {
    matches!(
        number_of(error),
        Some(
            number::DBACCESS_DENIED
                | number::TABLEACCESS_DENIED
                | number::COLUMNACCESS_DENIED
                | number::SPECIFIC_ACCESS_DENIED
                | number::BINLOG_CREATE_ROUTINE_NEED_SUPER
        )
    )
}

/// Whether a table cannot be altered while others write it.
pub(super) fn is_not_online(error: &sqlx::Error) -> bool {
    matches!(number_of(error), Some(number::ALTER_NOT_SUPPORTED | number::ALTER_NOT_SUPPORTED_REASON))
}

/// Whether a row is there already.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    number_of(error) == Some(number::DUP_ENTRY)
}

/// Whether a savepoint is gone, and its transaction with it.
pub(super) fn is_no_savepoint(error: &sqlx::Error) -> bool {
    number_of(error) == Some(number::SP_DOES_NOT_EXIST)
}

/// A value in a row that cannot be what it is.
pub(super) fn corrupt(table: &str, why: impl std::fmt::Display) -> BackendError {
    BackendError::new(ErrorKind::Corrupt, format!("table {table}: {why}"))
}
