//! A PostgreSQL string as the driver's options.

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::postgres::PostgresDsn;
use super::tls::TlsMode;

impl PostgresDsn {
    /// The driver's options. They hold the password and show it: do not print them.
    pub fn connect_options(&self) -> PgConnectOptions {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .database(&self.database)
            .ssl_mode(mode(self.tls.effective_mode()))
            .application_name(self.application_name.as_deref().unwrap_or("workflow"));
        if let Some(socket) = &self.socket {
            options = options.socket(socket);
        }
        if let Some(password) = &self.password {
            options = options.password(password.expose());
        }
        if let Some(ca) = &self.tls.ca {
            options = options.ssl_root_cert(ca);
        }
        if let Some(certificate) = &self.tls.client_certificate {
            options = options.ssl_client_cert(certificate);
        }
        if let Some(key) = &self.tls.client_key {
            options = options.ssl_client_key(key);
        }
        if let Some(size) = self.statement_cache {
            options = options.statement_cache_capacity(size);
        }
        if self.pooler.is_some() {
            // Poolers refuse what they cannot keep for the next one: each transaction makes its own settings.
            return options.statement_cache_capacity(0).extra_float_digits(None::<i8>);
        }
        if self.settings.is_empty() {
            return options;
        }
        options.options(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

fn mode(mode: TlsMode) -> PgSslMode {
    match mode {
        TlsMode::Disabled => PgSslMode::Disable,
        TlsMode::Preferred => PgSslMode::Prefer,
        TlsMode::Required => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyIdentity => PgSslMode::VerifyFull,
    }
}
