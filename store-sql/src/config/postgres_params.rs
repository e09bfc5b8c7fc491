//! The parameters of a PostgreSQL string: each is honoured or refused.

use std::time::Duration;

use super::duration::seconds;
use super::mysql_params::path;
use super::postgres::{Pooler, PostgresDsn};
use super::secret::Secret;
use super::tls::TlsMode;
use super::url::port_of;

/// Takes one parameter.
pub(super) fn take(dsn: &mut PostgresDsn, name: &str, value: &str) -> Result<(), String> {
    match name {
        "host" | "hostaddr" if value.contains(',') => {
            return Err("several hosts are not supported: name the primary's".to_owned());
        }
        "host" if value.starts_with('/') => dsn.socket = Some(path(value)?),
        "host" if value.is_empty() => return Err("it is empty".to_owned()),
        "host" => dsn.host = value.to_owned(),
        "port" => dsn.port = port_of(value)?,
        "user" => dsn.user = value.to_owned(),
        "password" => dsn.password = Some(Secret::new(value)),
        "dbname" => dsn.database = value.to_owned(),
        "sslmode" | "ssl-mode" => dsn.tls.mode = Some(tls_mode(value)?),
        "sslrootcert" | "ssl-root-cert" => dsn.tls.ca = Some(path(value)?),
        "sslcert" | "ssl-cert" => dsn.tls.client_certificate = Some(path(value)?),
        "sslkey" | "ssl-key" => dsn.tls.client_key = Some(path(value)?),
        "connect_timeout" => dsn.connect_timeout = seconds(value)?,
        "application_name" => dsn.application_name = Some(value.to_owned()),
        "statement_timeout" => dsn.statement_timeout = time(value)?,
        "options" => {
            for (name, value) in settings(value)? {
                match name.as_str() {
                    "statement_timeout" => dsn.statement_timeout = time(&value)?,
                    _ => dsn.settings.push((name, value)),
                }
            }
        }
        "statement-cache-capacity" => {
            let size = value.parse().ok().filter(|size| (16..=4096).contains(size));
            dsn.statement_cache = Some(size.ok_or("it is a number from 16 to 4096")?);
        }
        "pooler" if value == "transaction" => dsn.pooler = Some(Pooler::Transaction),
        "pooler" => return Err("it is transaction, or left out".to_owned()),
        _ => return fixed(name, value),
    }
    Ok(())
}

fn tls_mode(value: &str) -> Result<TlsMode, String> {
    match value {
        "disable" => Ok(TlsMode::Disabled),
        "prefer" => Ok(TlsMode::Preferred),
        "require" => Ok(TlsMode::Required),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" => Ok(TlsMode::VerifyIdentity),
        "allow" => {
            Err("the driver cannot begin in clear text and change its mind: write prefer or disable"
                .to_owned())
        }
        _ => Err("it is disable, prefer, require, verify-ca or verify-full".to_owned()),
    }
}

/// Parameters that can have only the value that the program needs, and those that it has no use for.
fn fixed(name: &str, value: &str) -> Result<(), String> {
    let only = |wanted: &[&str], why: &str| match wanted.contains(&value) {
        true => Ok(()),
        false => Err(format!("{why}: write {} or leave it out", wanted[0])),
    };
    match name {
        "client_encoding" => only(&["UTF8", "utf8", "UTF-8", "auto"], "ids may be any Unicode"),
        "gssencmode" => only(&["disable", "prefer"], "the driver has no GSSAPI"),
        "channel_binding" => only(&["prefer", "disable"], "the driver cannot promise it"),
        "sslcompression" => only(&["0"], "the driver has no compression"),
        "target_session_attrs" => {
            only(&["any"], "the driver does not choose among hosts: name the primary's")
        }
        "load_balance_hosts" => only(&["disable"], "there is one host"),
        "replication" => only(&["false"], "the program sends queries"),
        "sslpassword" => {
            Err("encrypted keys are not supported: give a key file that only its owner can read".to_owned())
        }
        "passfile" | "service" | "servicefile" => {
            Err("it would read a file that is not the program's: write what stands there".to_owned())
        }
        "requiressl" => Err("it is the old name: write sslmode=require".to_owned()),
        "hostaddr" => Err("write the address as host; certificates are checked against it".to_owned()),
        "TimeZone" | "timezone" => match value {
            "UTC" | "Etc/UTC" => Ok(()),
            _ => Err("times are stored in UTC: write UTC or leave it out".to_owned()),
        },
        "search_path" => {
            Err("it is a setting of the session: write options=-c%20search_path=value".to_owned())
        }
        "fallback_application_name" => Err("write application_name".to_owned()),
        "keepalives"
        | "keepalives_idle"
        | "keepalives_interval"
        | "keepalives_count"
        | "tcp_user_timeout" => Err("the driver leaves that to the system: leave it out".to_owned()),
        "binary_parameters" => only(&["yes"], "values travel apart from the statements"),
        "sslinline" => only(&["false"], "certificates are files: name them"),
        "sslsni" => only(&["1"], "the host is always named to the server"),
        _ => Err(UNKNOWN.to_owned()),
    }
}

/// What is said of a name that is no parameter.
pub(super) const UNKNOWN: &str = "there is no such parameter here";

/// Settings that the program itself depends on.
const OURS: [&str; 12] = [
    "timezone",
    "datestyle",
    "client_encoding",
    "extra_float_digits",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "standard_conforming_strings",
    "enable_seqscan",
    "enable_hashjoin",
    "enable_mergejoin",
];

/// Units of the server's times in milliseconds; without one it counts in them.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("min", 60_000), ("s", 1000), ("h", 3_600_000), ("", 1)];

/// The longest time-out that is taken: a day, in milliseconds.
const TIME_MAX: u64 = 24 * 3_600_000;

/// Reads `5000`, `500ms`, `5s`, `1min`; `0` is none.
fn time(value: &str) -> Result<Option<Duration>, String> {
    let millis = UNITS.iter().find_map(|(unit, size)| {
        let number = value.trim().strip_suffix(unit)?.trim_end();
        number.parse::<u64>().ok()?.checked_mul(*size)
    });
    match millis {
        Some(0) => Ok(None),
        Some(millis) if millis <= TIME_MAX => Ok(Some(Duration::from_millis(millis))),
        Some(_) => Err("it is longer than a day".to_owned()),
        None => Err("it is no time: write it as 5000 (milliseconds), 5s or 1min".to_owned()),
    }
}

/// Reads `-c name=value -c other=value`, where a backslash takes the meaning from a space.
fn settings(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut settings = Vec::new();
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        let wrong = || "it is made of settings, as -c search_path=orders".to_owned();
        let pair = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") if word == "-c" => words.next().ok_or_else(wrong)?,
            Some(pair) => pair.to_owned(),
            None => return Err(wrong()),
        };
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
        if name.is_empty() || !is_name {
            return Err(wrong());
        }
        let lower = name.to_ascii_lowercase();
        if lower == "application_name" {
            return Err("write application_name as a parameter of its own".to_owned());
        }
        if OURS.contains(&lower.as_str()) {
            return Err(format!("the program sets {name} itself: leave it out"));
        }
        settings.push((if lower == "statement_timeout" { lower } else { name.to_owned() }, value.to_owned()));
    }
    Ok(settings)
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => words.last_mut().expect("there is always a last word").push(chars.next().unwrap_or('\\')),
            ' ' => words.push(String::new()),
            c => words.last_mut().expect("there is always a last word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
