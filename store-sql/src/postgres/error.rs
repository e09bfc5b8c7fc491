//! What PostgreSQL's errors mean.

use workflow_core::adapter::{BackendError, ErrorKind};

use super::said::said;
use crate::certificate::is_certificate;

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Others were in the way: the same transaction may work at once.
    Again,
    /// The connection is gone or useless: another one may work at once.
    Lost,
    /// It may work later.
    Later,
    /// The values are not what the tables take.
    Data,
    /// The pool is closed.
    Closed,
    /// It will not work.
    Never,
}

/// What a pooler is told by that refuses settings of the session.
const POOLED: &str = "a pooler stands before the server and refuses settings of the session: name the server itself, let \
                      the pooler ignore them, or add pooler=transaction";

const UNTRUSTED: &str = "the encrypted connection was refused: check sslmode and certificates";

/// No connection was had in the time that a call may wait, and this is why.
#[derive(Debug, thiserror::Error)]
#[error("no connection was had in time")]
struct NoConnection(#[source] sqlx::Error);

/// Says why no connection was had.
pub(super) fn no_connection(cause: sqlx::Error) -> sqlx::Error {
    sqlx::Error::AnyDriverError(Box::new(NoConnection(said(cause))))
}

/// The class of an error, and what to do about it.
fn judge(error: &sqlx::Error) -> (Class, &'static str) {
    if let Some(code) = code(error) {
        if code == "08P01" && error.to_string().contains("startup parameter") {
            return (Class::Never, POOLED);
        }
        return of_code(&code);
    }
    match error {
        sqlx::Error::AnyDriverError(inner) => match inner.downcast_ref() {
            // It has been waited for already.
            Some(NoConnection(cause)) => match judge(cause) {
                (Class::Again | Class::Lost, advice) => (Class::Later, advice),
                judged => judged,
            },
            None => (Class::Never, "the statement failed"),
        },
        sqlx::Error::Io(error) if is_certificate(error) => (Class::Never, UNTRUSTED),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            (Class::Lost, "the connection was lost or cannot be made")
        }
        sqlx::Error::PoolTimedOut => {
            (Class::Later, "no connection became free in time: the pool is too small or the server too slow")
        }
        sqlx::Error::PoolClosed => (Class::Closed, "the store is closed"),
        sqlx::Error::Tls(_) => (Class::Never, UNTRUSTED),
        _ => (Class::Never, "the statement failed"),
    }
}

/// What the five letters of SQLSTATE mean here.
fn of_code(code: &str) -> (Class, &'static str) {
    match code {
        "40001" | "40P01" => (Class::Again, "other transactions were in the way"),
        "55P03" => (Class::Again, "a lock was not had in time"),
        // A slot or callback key that somebody else took since it was looked for: the next look finds it.
        "23505" => (Class::Again, "a key was taken at the same moment"),
        "25006" => (Class::Lost, "the server takes no writes: it is a standby"),
        "25P03" => (Class::Lost, "the transaction was idle for too long"),
        "57014" => (Class::Later, "the statement took too long"),
        "53100" => (Class::Later, "the server's disk is full: make room"),
        "53300" => {
            (Class::Later, "the server has too many connections: raise max_connections or lower the pools'")
        }
        "58030" => (Class::Later, "the server's disk cannot be read or written"),
        "42P01" => (Class::Never, "a table is missing: migrate"),
        "42703" => (Class::Never, "a column is missing: migrate"),
        "42501" => (Class::Never, "the database user may not do this: grant it"),
        "3D000" => (Class::Never, "there is no such database: create it or name another one"),
        _ => match code.get(..2) {
            Some("08") | Some("57") => (Class::Lost, "the server ended the connection"),
            Some("53") => (Class::Later, "the server is out of resources"),
            Some("28") => (Class::Never, "the server refused the login: check user and password"),
            Some("22" | "23" | "54") => (Class::Data, "the server refused the values"),
            _ => (Class::Never, "the statement failed"),
        },
    }
}

/// The SQLSTATE of an error of the server.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

/// What can be done about an error.
pub(super) fn class(error: &sqlx::Error) -> Class {
    judge(error).0
}

/// Whether a statement of the user's failed because others were in its way, or with its connection. A key that is taken is
/// an answer to it, and no reason to begin again.
pub(super) fn is_in_the_way(error: &sqlx::Error) -> bool {
    match class(error) {
        Class::Again => code(error).as_deref() != Some("23505"),
        Class::Lost => true,
        Class::Later | Class::Data | Class::Closed | Class::Never => false,
    }
}

/// An error of the driver as one of the store: what was tried, where, and what to do.
pub(super) fn wrap(what: &str, place: &str, error: sqlx::Error) -> BackendError {
    let (class, advice) = judge(&error);
    let kind = match class {
        Class::Again | Class::Lost | Class::Later => ErrorKind::Transient,
        Class::Closed => ErrorKind::Closed,
        Class::Data | Class::Never => ErrorKind::Permanent,
    };
    BackendError::with_source(kind, format!("{what} in {place}: {advice}"), said(error))
}

/// A value in a row that cannot be what it is.
pub(super) fn corrupt(table: &str, why: impl std::fmt::Display) -> BackendError {
    BackendError::new(ErrorKind::Corrupt, format!("table {table}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classed_by_what_can_be_done() {
        let classes = [
            ("40001", Class::Again),
            ("40P01", Class::Again),
            ("55P03", Class::Again),
            ("08006", Class::Lost),
            ("57P01", Class::Lost),
            ("57P03", Class::Lost),
            ("25006", Class::Lost),
            ("25P03", Class::Lost),
            ("57014", Class::Later),
            ("53100", Class::Later),
            ("53300", Class::Later),
            ("22021", Class::Data),
            ("23505", Class::Again),
            ("23502", Class::Data),
            ("54000", Class::Data),
            ("28P01", Class::Never),
            ("3D000", Class::Never),
            ("42P01", Class::Never),
            ("XX000", Class::Never),
        ];
        for (code, class) in classes {
            assert_eq!(of_code(code).0, class, "{code}");
        }
    }

    #[test]
    fn a_lost_connection_may_be_tried_again() {
        let lost = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(class(&lost), Class::Lost);
        assert!(wrap("commit", "db at host", lost).is_retryable());
    }
}
