//! A PostgreSQL server.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::mysql::Query;
use super::percent::encode;
use super::postgres_params::take;
use super::problem::{DsnError, Problems};
use super::secret::Secret;
use super::tls::{Tls, TlsMode, TlsNames};
use super::url::{Parts, show_host};

const NAMES: TlsNames = TlsNames {
    ca: "sslrootcert",
    certificate: "sslcert",
    key: "sslkey",
    verifying: "sslmode=verify-full or verify-ca",
};

/// What is wrong with a URL that names none.
pub(super) const NO_DATABASE: &str = "it is missing: write it after the host, as in postgres://host/orders";

/// What stands between the program and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// A pooler that gives a connection for one transaction at a time, as PgBouncer's `pool_mode = transaction`.
    ///
    /// Nothing that lives longer than a transaction is used then: settings are made in each, statements are not kept
    /// prepared, and the right to run engines is held by a transaction that stays open, so that an engine keeps one of
    /// the pooler's connections for itself.
    Transaction,
}

/// Where a PostgreSQL database is, and how it is connected to.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresDsn {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The folder of a Unix socket, instead of the host.
    pub socket: Option<PathBuf>,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// The encryption.
    pub tls: Tls,
    /// How long making a connection may take.
    pub connect_timeout: Option<Duration>,
    /// How long a statement may take.
    pub statement_timeout: Option<Duration>,
    /// What the server shows the connection as.
    pub application_name: Option<String>,
    /// Settings of the session, from `options=-c name=value`.
    pub settings: Vec<(String, String)>,
    /// How many statements a connection keeps prepared.
    pub statement_cache: Option<usize>,
    /// A pooler, if there is one.
    pub pooler: Option<Pooler>,
}

impl PostgresDsn {
    /// From the parts of a URL or the pairs of the keyword form.
    pub(super) fn from_parts(parts: Parts, mut problems: Problems) -> Result<Self, DsnError> {
        let mut dsn = Self {
            host: "localhost".to_owned(),
            port: parts.port.unwrap_or(5432),
            socket: None,
            user: parts.user.unwrap_or_else(|| "postgres".to_owned()),
            password: parts.password,
            database: parts.database.unwrap_or_default(),
            tls: Tls::default(),
            connect_timeout: None,
            statement_timeout: None,
            application_name: None,
            settings: Vec::new(),
            statement_cache: None,
            pooler: None,
        };
        if let Some(host) = parts.host {
            let taken = take(&mut dsn, "host", &host);
            problems.take("host", taken);
        }
        for (name, value) in parts.params {
            let taken = take(&mut dsn, &name, &value);
            problems.take(&name, taken);
        }
        // With an authority to trust, `require` has always checked it.
        if dsn.tls.ca.is_some() && matches!(dsn.tls.mode, None | Some(TlsMode::Required)) {
            dsn.tls.mode = Some(TlsMode::VerifyCa);
        }
        if dsn.database.is_empty() {
            problems.add("database", NO_DATABASE);
        }
        dsn.tls.check(&NAMES, &mut problems);
        problems.or(dsn)
    }
}

/// The name of a mode in this family.
fn mode_name(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Disabled => "disable",
        TlsMode::Preferred => "prefer",
        TlsMode::Required => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyIdentity => "verify-full",
    }
}

fn show_settings(settings: &[(String, String)]) -> Option<String> {
    let escaped = |value: &str| value.replace('\\', r"\\").replace(' ', r"\ ");
    let shown: Vec<String> =
        settings.iter().map(|(name, value)| format!("-c {name}={}", escaped(value))).collect();
    (!shown.is_empty()).then(|| shown.join(" "))
}

impl fmt::Display for PostgresDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}", encode(&self.user))?;
        if let Some(password) = &self.password {
            write!(f, ":{password}")?;
        }
        write!(f, "@{}:{}/{}", show_host(&self.host), self.port, encode(&self.database))?;
        let mut query = Query { f, separator: '?' };
        query.some("host", self.socket.as_ref().map(|path| path.display()))?;
        query.some("sslmode", self.tls.mode.map(mode_name))?;
        query.some("sslrootcert", self.tls.ca.as_ref().map(|path| path.display()))?;
        query.some("sslcert", self.tls.client_certificate.as_ref().map(|path| path.display()))?;
        query.some("sslkey", self.tls.client_key.as_ref().map(|path| path.display()))?;
        query.some("connect_timeout", self.connect_timeout.map(|timeout| timeout.as_secs()))?;
        let statement_timeout = self.statement_timeout.map(|timeout| format!("{}ms", timeout.as_millis()));
        query.some("statement_timeout", statement_timeout)?;
        query.some("application_name", self.application_name.as_ref())?;
        query.some("options", show_settings(&self.settings))?;
        query.some("statement-cache-capacity", self.statement_cache)?;
        query.some("pooler", self.pooler.map(|Pooler::Transaction| "transaction"))
    }
}

impl fmt::Debug for PostgresDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresDsn({self})")
    }
}
