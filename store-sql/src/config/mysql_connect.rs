//! A MariaDB or MySQL string as the driver's options.

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::mysql::MySqlDsn;
use super::tls::TlsMode;

impl MySqlDsn {
    /// The driver's options. They hold the password and show it: do not print them.
    pub fn connect_options(&self) -> MySqlConnectOptions {
        let mut options = MySqlConnectOptions::new()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .database(&self.database)
            .ssl_mode(mode(self.tls.effective_mode()))
            .charset("utf8mb4")
            .timezone(Some("+00:00".to_owned()))
            .pipes_as_concat(false)
            .enable_cleartext_plugin(self.cleartext_password);
        if let Some(socket) = &self.socket {
            options = options.socket(socket);
        }
        if let Some(password) = &self.password {
            options = options.password(password.expose());
        }
        if let Some(ca) = &self.tls.ca {
            options = options.ssl_ca(ca);
        }
        if let Some(certificate) = &self.tls.client_certificate {
            options = options.ssl_client_cert(certificate);
        }
        if let Some(key) = &self.tls.client_key {
            options = options.ssl_client_key(key);
        }
        if let Some(collation) = &self.collation {
            options = options.collation(collation);
        }
        options
    }
}

fn mode(mode: TlsMode) -> MySqlSslMode {
    match mode {
        TlsMode::Disabled => MySqlSslMode::Disabled,
        TlsMode::Preferred => MySqlSslMode::Preferred,
        TlsMode::Required => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
    }
}
