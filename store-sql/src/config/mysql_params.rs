//! The parameters of a MariaDB or MySQL string: each is honoured or refused.

use super::duration::go;
use super::mysql::MySqlDsn;
use super::tls::TlsMode;

/// Takes one parameter.
pub(super) fn take(dsn: &mut MySqlDsn, name: &str, value: &str) -> Result<(), String> {
    match name {
        "socket" => dsn.socket = Some(path(value)?),
        "tls" => dsn.tls.mode = Some(go_tls(value)?),
        "ssl-mode" | "sslmode" => dsn.tls.mode = Some(tls_mode(value)?),
        "ssl-ca" | "sslca" => dsn.tls.ca = Some(path(value)?),
        "ssl-cert" | "sslcert" => dsn.tls.client_certificate = Some(path(value)?),
        "ssl-key" | "sslkey" => dsn.tls.client_key = Some(path(value)?),
        "collation" => dsn.collation = Some(collation(value)?),
        "timeout" => dsn.connect_timeout = go(value)?,
        "readTimeout" => dsn.statement_timeout = go(value)?,
        "writeTimeout" => dsn.write_timeout = go(value)?,
        "statement-cache-capacity" => dsn.statement_cache = Some(cache(value)?),
        "allowCleartextPasswords" => dsn.cleartext_password = boolean(value)?,
        _ => return fixed(name, value),
    }
    Ok(())
}

/// Parameters that can have only the value that the program needs, and those that it has no use for.
fn fixed(name: &str, value: &str) -> Result<(), String> {
    match name {
        "charset" => {
            match value {
                "utf8mb4" => Ok(()),
                _ => Err("ids may be any Unicode, which only utf8mb4 holds: write utf8mb4 or leave it out"
                    .to_owned()),
            }
        }
        "loc" | "timezone" | "time-zone" | "time_zone" => utc(value),
        "parseTime" => must(value, true, "times are always read as times"),
        "clientFoundRows" => must(value, true, "a row that matches counts as affected"),
        "allowNativePasswords" => must(value, true, "the server chooses how it is logged in to"),
        "multiStatements" => must(value, true, "the program sends several statements at once"),
        "checkConnLiveness" => must(value, true, "a connection that was idle is tried before it is used"),
        "columnsWithAlias" => must(value, false, "columns are read by their own names"),
        "interpolateParams" => must(value, false, "values travel apart from the statements"),
        "allowOldPasswords" => must(value, false, "such passwords are unsafe: set a new one on the server"),
        "allowFallbackToPlaintext" => must(value, false, "write tls=preferred if a plain connection will do"),
        "allowAllFiles" => must(value, false, "no file is ever sent to the server"),
        "compress" => must(value, false, "the driver has no compression"),
        "rejectReadOnly" => {
            must(value, false, "a server that is read-only gives an error that is tried again")
        }
        "tx_isolation" | "transaction_isolation" => isolation(value),
        "maxAllowedPacket" => Err("the server's own limit is asked for: leave it out".to_owned()),
        "serverPubKey" => {
            Err("keys cannot be registered by name: use ssl-ca and ssl-mode=VERIFY_CA".to_owned())
        }
        "connectionAttributes" => Err("the driver sends its own: leave it out".to_owned()),
        "timeTruncate" => Err("times are whole milliseconds already: leave it out".to_owned()),
        "password" | "user" => {
            Err("write it before the host, as in mysql://user:password@host/orders".to_owned())
        }
        _ => Err(
            "there is no such parameter here; variables of the server are not set by the connection string, \
                  because the program sets those that it depends on"
                .to_owned(),
        ),
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" | "TRUE" | "True" => Ok(true),
        "false" | "0" | "FALSE" | "False" => Ok(false),
        _ => Err("it is true or false".to_owned()),
    }
}

fn must(value: &str, wanted: bool, why: &str) -> Result<(), String> {
    if boolean(value)? == wanted { Ok(()) } else { Err(format!("{why}: write {wanted} or leave it out")) }
}

fn utc(value: &str) -> Result<(), String> {
    match value.trim_matches('\'') {
        "UTC" | "+00:00" | "Etc/UTC" => Ok(()),
        _ => Err("times are stored in UTC: write UTC or leave it out".to_owned()),
    }
}

fn isolation(value: &str) -> Result<(), String> {
    match value.trim_matches('\'').to_ascii_uppercase().as_str() {
        "READ-COMMITTED" => Ok(()),
        _ => Err("every session is READ COMMITTED: leave it out".to_owned()),
    }
}

fn go_tls(value: &str) -> Result<TlsMode, String> {
    match value {
        "true" => Ok(TlsMode::VerifyIdentity),
        "false" => Ok(TlsMode::Disabled),
        "skip-verify" => Ok(TlsMode::Required),
        "preferred" => Ok(TlsMode::Preferred),
        _ => Err(
            "it is true, false, skip-verify or preferred; for an authority or certificate of your own use \
                  ssl-mode, ssl-ca, ssl-cert and ssl-key"
                .to_owned(),
        ),
    }
}

fn tls_mode(value: &str) -> Result<TlsMode, String> {
    match value.to_ascii_uppercase().replace('-', "_").as_str() {
        "DISABLED" => Ok(TlsMode::Disabled),
        "PREFERRED" => Ok(TlsMode::Preferred),
        "REQUIRED" => Ok(TlsMode::Required),
        "VERIFY_CA" => Ok(TlsMode::VerifyCa),
        "VERIFY_IDENTITY" => Ok(TlsMode::VerifyIdentity),
        _ => Err("it is DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY".to_owned()),
    }
}

/// The driver puts it into a statement as it is.
fn collation(value: &str) -> Result<String, String> {
    let is_name = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name && value.len() <= 64 && (value.starts_with("utf8mb4_") || value.starts_with("uca1400_")) {
        return Ok(value.to_owned());
    }
    Err("it is a collation of utf8mb4, as utf8mb4_unicode_ci".to_owned())
}

fn cache(value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(size @ 16..=4096) => Ok(size),
        _ => Err("it is a number from 16 to 4096".to_owned()),
    }
}

/// A path of a file.
pub(super) fn path(value: &str) -> Result<std::path::PathBuf, String> {
    if value.is_empty() || value.contains('\0') {
        return Err("it is the path of a file".to_owned());
    }
    Ok(value.into())
}
