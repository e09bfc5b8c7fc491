//! Why a database cannot be looked at, and what to do about it.

use super::id::FindingId;
use super::report::Finding;

/// In what way no connection came about.
#[cfg_attr(
    not(all(feature = "mysql", feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "each kind of database fails in its own ways")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    NoAnswer,
    Login,
    NoDatabase,
    Tls,
    TlsDemanded,
    NoConnectionFree,
    Pooler,
    NoFile,
    Damaged,
    Other,
}

/// No connection came about.
#[derive(Debug)]
pub(super) struct Unreachable {
    pub(super) failure: Failure,
    pub(super) reason: String,
}

/// Numbers of MariaDB and MySQL for refused connections.
#[cfg(feature = "mysql")]
fn of_mysql_number(number: u16) -> Failure {
    match number {
        1044 | 1045 | 1130 | 1698 | 1862 | 4151 => Failure::Login,
        1049 => Failure::NoDatabase,
        1040 | 1129 | 1203 | 1226 => Failure::NoConnectionFree,
        3159 => Failure::TlsDemanded,
        _ => Failure::Other,
    }
}

/// The SQLSTATE of PostgreSQL for a refused connection.
#[cfg(feature = "postgres")]
fn of_postgres_code(code: &str, message: &str) -> Failure {
    match code {
        "28000" if message.contains("no encryption") || message.contains("SSL off") => Failure::TlsDemanded,
        _ if message.contains("unsupported startup parameter") => Failure::Pooler,
        "3D000" => Failure::NoDatabase,
        "53300" => Failure::NoConnectionFree,
        "57P03" | "57P01" => Failure::NoAnswer,
        _ if code.starts_with("28") => Failure::Login,
        _ => Failure::Other,
    }
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
fn of_driver(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Tls(_) => Failure::Tls,
        // The TLS library tells of a refused certificate through the stream that it stands on.
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => Failure::Tls,
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => Failure::NoAnswer,
        _ => Failure::Other,
    }
}

/// The error and its causes, on one line.
pub(super) fn told(error: &sqlx::Error) -> String {
    if let sqlx::Error::Database(database) = error {
        return database.message().to_owned();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

impl Unreachable {
    #[cfg(feature = "mysql")]
    pub(super) fn mysql(error: &sqlx::Error) -> Self {
        let number = error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
            .map(|error| error.number());
        let failure = number.map_or_else(|| of_driver(error), of_mysql_number);
        Self { failure, reason: told(error) }
    }

    #[cfg(feature = "postgres")]
    pub(super) fn postgres(error: &sqlx::Error) -> Self {
        let failure = match error.as_database_error() {
            Some(database) => match database.code() {
                Some(code) => of_postgres_code(&code, database.message()),
                None => of_postgres_code("", database.message()),
            },
            None => of_driver(error),
        };
        Self { failure, reason: told(error) }
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn sqlite(file: &std::path::Path, error: &sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        let primary = code.and_then(|code| code.parse::<i32>().ok()).map_or(0, |code| code & 0xff);
        let failure = match primary {
            _ if !file.exists() => Failure::NoFile,
            11 | 26 => Failure::Damaged,
            _ => Failure::Other,
        };
        Self { failure, reason: told(error) }
    }

    /// The finding, for a database that is named without its password.
    pub(super) fn finding(&self, place: &str) -> Finding {
        let (id, what, fix) = self.failure.meaning();
        Finding::error(id, format!("{place}: {what}: {}", self.reason), fix)
    }
}

impl Failure {
    /// What it is called, what it is, and what to do.
    fn meaning(self) -> (FindingId, &'static str, &'static str) {
        match self {
            Failure::NoAnswer => (
                FindingId::ServerUnreachable,
                "no server answers",
                "check host and port, that the server runs, and that no firewall is in between",
            ),
            Failure::Login => (
                FindingId::LoginRefused,
                "the login is refused",
                "check user and password, and that the user may come from this host and use this database: MariaDB \
                 `grant all on DATABASE.* to USER`, PostgreSQL `grant connect on database DATABASE to USER` and \
                 pg_hba.conf",
            ),
            Failure::NoDatabase => (
                FindingId::DatabaseMissing,
                "there is no such database",
                "create it with `create database DATABASE` (MariaDB: `character set utf8mb4`), or name another one",
            ),
            Failure::NoFile => (
                FindingId::DatabaseMissing,
                "there is no such file",
                "name the file that the engine uses, or make it: workflowctl migrate",
            ),
            Failure::Tls => (
                FindingId::TlsRefused,
                "no encrypted connection came about",
                "turn encryption on at the server, name the authority of its certificate (MariaDB `ssl-ca=FILE`, \
                 PostgreSQL `sslrootcert=FILE`), or ask for less (`ssl-mode`, `sslmode`)",
            ),
            Failure::TlsDemanded => (
                FindingId::TlsRefused,
                "the server wants an encrypted connection",
                "ask for one: MariaDB `ssl-mode=VERIFY_IDENTITY`, PostgreSQL `sslmode=verify-full`",
            ),
            Failure::NoConnectionFree => (
                FindingId::ConnectionsExhausted,
                "the server has no connection free",
                "raise max_connections on the server, or lower max_open of the pools that use it",
            ),
            Failure::Pooler => (
                FindingId::ConnectFailed,
                "a pooler in between refuses what the driver asks for",
                "connect to the server itself; or add pooler=transaction to the connection string if the pooler gives \
                 sessions by the transaction; or name the parameter in ignore_startup_parameters of pgbouncer.ini",
            ),
            Failure::Damaged => (
                FindingId::FileDamaged,
                "the file is no SQLite database, or is damaged",
                "name the right file, or restore it from a backup",
            ),
            Failure::Other => (
                FindingId::ConnectFailed,
                "the connection failed",
                "see the reason; the server's log says more",
            ),
        }
    }
}

#[cfg(all(test, feature = "mysql", feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_name() {
        let numbers = [
            (1045, "login-refused"),
            (1044, "login-refused"),
            (1049, "database-missing"),
            (1040, "connections-exhausted"),
            (3159, "tls-refused"),
            (1, "connect-failed"),
        ];
        for (number, id) in numbers {
            assert_eq!(of_mysql_number(number).meaning().0.as_str(), id, "{number}");
        }
        let codes = [
            ("28P01", "", "login-refused"),
            ("28000", "no pg_hba.conf entry, no encryption", "tls-refused"),
            ("28000", "role does not exist", "login-refused"),
            ("3D000", "", "database-missing"),
            ("53300", "", "connections-exhausted"),
            ("57P03", "", "server-unreachable"),
            ("08P01", "unsupported startup parameter: options", "connect-failed"),
            ("XX000", "", "connect-failed"),
        ];
        for (code, message, id) in codes {
            assert_eq!(of_postgres_code(code, message).meaning().0.as_str(), id, "{code}");
        }
        let io = |kind: std::io::ErrorKind| sqlx::Error::Io(kind.into());
        assert_eq!(of_driver(&io(std::io::ErrorKind::ConnectionRefused)), Failure::NoAnswer);
        assert_eq!(of_driver(&io(std::io::ErrorKind::InvalidData)), Failure::Tls);
        assert_eq!(of_driver(&sqlx::Error::Tls("no".into())), Failure::Tls);
    }

    #[test]
    fn what_cannot_be_reached_blocks_the_rest() {
        let all = [
            Failure::NoAnswer,
            Failure::Login,
            Failure::NoDatabase,
            Failure::Tls,
            Failure::TlsDemanded,
            Failure::NoConnectionFree,
            Failure::Pooler,
            Failure::NoFile,
            Failure::Damaged,
            Failure::Other,
        ];
        for failure in all {
            let finding =
                Unreachable { failure, reason: "why".to_owned() }.finding("mysql://me:***@db/orders");
            assert!(
                finding.id.is_blocking() && finding.message.ends_with(": why") && !finding.fix.is_empty()
            );
        }
    }
}
