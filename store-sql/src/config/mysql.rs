//! A MariaDB or MySQL server.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::duration::show;
use super::mysql_params::take;
use super::percent::encode;
use super::problem::{DsnError, Problems};
use super::secret::Secret;
use super::tls::{Tls, TlsMode, TlsNames};
use super::url::{Parts, show_host};

const NAMES: TlsNames = TlsNames {
    ca: "ssl-ca",
    certificate: "ssl-cert",
    key: "ssl-key",
    verifying: "ssl-mode=VERIFY_CA or VERIFY_IDENTITY",
};

/// Where a MariaDB or MySQL database is, and how it is connected to.
#[derive(Clone, PartialEq, Eq)]
pub struct MySqlDsn {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// A Unix socket, instead of host and port.
    pub socket: Option<PathBuf>,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// The encryption.
    pub tls: Tls,
    /// The collation of the connection, which no statement of this program depends on.
    pub collation: Option<String>,
    /// How long making a connection may take.
    pub connect_timeout: Option<Duration>,
    /// How long a statement may take (the Go form's `readTimeout`).
    pub statement_timeout: Option<Duration>,
    /// How long the server waits for the rest of what is being sent to it (the Go form's `writeTimeout`).
    pub write_timeout: Option<Duration>,
    /// How many statements a connection keeps prepared.
    pub statement_cache: Option<usize>,
    /// Whether the password may be sent as it is, which is refused without encryption.
    pub cleartext_password: bool,
}

impl MySqlDsn {
    /// From the parts of a URL or of the Go form.
    pub(super) fn from_parts(parts: Parts, mut problems: Problems) -> Result<Self, DsnError> {
        let mut dsn = Self {
            host: parts.host.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: parts.port.unwrap_or(3306),
            socket: None,
            user: parts.user.unwrap_or_else(|| "root".to_owned()),
            password: parts.password,
            database: parts.database.unwrap_or_default(),
            tls: Tls::default(),
            collation: None,
            connect_timeout: None,
            statement_timeout: None,
            write_timeout: None,
            statement_cache: None,
            cleartext_password: false,
        };
        for (name, value) in parts.params {
            let taken = take(&mut dsn, &name, &value);
            problems.take(&name, taken);
        }
        dsn.check(&mut problems);
        problems.or(dsn)
    }

    fn check(&self, problems: &mut Problems) {
        if self.database.is_empty() {
            problems.add("database", "it is missing: write it after the host, as in mysql://host/orders");
        }
        let encrypted = !matches!(self.tls.effective_mode(), TlsMode::Disabled | TlsMode::Preferred);
        if self.cleartext_password && !encrypted {
            let reason = "a password must not travel in clear text: add ssl-mode=VERIFY_IDENTITY";
            problems.add("allowCleartextPasswords", reason);
        }
        self.tls.check(&NAMES, problems);
    }
}

/// Writes one parameter after another.
pub(super) struct Query<'f, 'b> {
    pub(super) f: &'f mut fmt::Formatter<'b>,
    pub(super) separator: char,
}

impl Query<'_, '_> {
    pub(super) fn pair(&mut self, name: &str, value: &str) -> fmt::Result {
        write!(self.f, "{}{name}={}", self.separator, encode(value))?;
        self.separator = '&';
        Ok(())
    }

    pub(super) fn some(&mut self, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.pair(name, &value.to_string()))
    }
}

/// The name of a mode in the URL of this family.
fn mode_name(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Disabled => "DISABLED",
        TlsMode::Preferred => "PREFERRED",
        TlsMode::Required => "REQUIRED",
        TlsMode::VerifyCa => "VERIFY_CA",
        TlsMode::VerifyIdentity => "VERIFY_IDENTITY",
    }
}

impl fmt::Display for MySqlDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mysql://{}", encode(&self.user))?;
        if let Some(password) = &self.password {
            write!(f, ":{password}")?;
        }
        write!(f, "@{}:{}/{}", show_host(&self.host), self.port, encode(&self.database))?;
        let mut query = Query { f, separator: '?' };
        query.some("socket", self.socket.as_ref().map(|path| path.display()))?;
        query.some("ssl-mode", self.tls.mode.map(mode_name))?;
        query.some("ssl-ca", self.tls.ca.as_ref().map(|path| path.display()))?;
        query.some("ssl-cert", self.tls.client_certificate.as_ref().map(|path| path.display()))?;
        query.some("ssl-key", self.tls.client_key.as_ref().map(|path| path.display()))?;
        query.some("collation", self.collation.as_ref())?;
        query.some("timeout", self.connect_timeout.map(show))?;
        query.some("readTimeout", self.statement_timeout.map(show))?;
        query.some("writeTimeout", self.write_timeout.map(show))?;
        query.some("statement-cache-capacity", self.statement_cache)?;
        query.some("allowCleartextPasswords", self.cleartext_password.then_some(true))
    }
}

impl fmt::Debug for MySqlDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySqlDsn({self})")
    }
}
