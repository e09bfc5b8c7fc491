//! Certificates, users and passwords.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// A text that is never shown.
///
/// ```
/// use streamer_kafka::Secret;
/// assert_eq!(format!("{:?}", Secret::new("s3cret")), "(secret)");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Whom to trust, and how to show who one is. All files are PEM.
///
/// ```
/// use streamer_kafka::{KafkaConfig, Tls};
/// let tls = Tls::new().ca_file("/etc/kafka/ca.pem").client("/etc/kafka/orders.pem", "/etc/kafka/orders.key");
/// # let _ = KafkaConfig::new(["kafka:9093"]).tls(tls);
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) key_password: Option<Secret>,
}

impl Tls {
    /// TLS with the authorities that the system trusts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities of this file instead.
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// Shows this certificate, with its key.
    pub fn client(mut self, certificate_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        self.certificate_file = Some(certificate_file.into());
        self.key_file = Some(key_file.into());
        self
    }

    /// What the key is locked with.
    pub fn key_password(mut self, password: Secret) -> Self {
        self.key_password = Some(password);
        self
    }
}

/// How the password is shown to the broker.
///
/// ```
/// use streamer_kafka::Mechanism;
/// assert_eq!(Mechanism::ScramSha512.as_str(), "SCRAM-SHA-512");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Mechanism {
    /// As it is: only over TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// By a challenge.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// By a challenge, with the longer hash.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Mechanism {
    /// Its name in the protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// A user and a password.
///
/// ```
/// use streamer_kafka::{Sasl, Secret};
/// let sasl = Sasl::scram_sha_256("orders", Secret::new("s3cret"));
/// assert!(!format!("{sasl:?}").contains("s3cret"));
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    pub(crate) mechanism: Mechanism,
    pub(crate) user: String,
    pub(crate) password: Secret,
}

impl Sasl {
    /// Shows the password as it is.
    pub fn plain(user: impl Into<String>, password: Secret) -> Self {
        Self { mechanism: Mechanism::Plain, user: user.into(), password }
    }

    /// SCRAM with SHA-256.
    pub fn scram_sha_256(user: impl Into<String>, password: Secret) -> Self {
        Self { mechanism: Mechanism::ScramSha256, user: user.into(), password }
    }

    /// SCRAM with SHA-512.
    pub fn scram_sha_512(user: impl Into<String>, password: Secret) -> Self {
        Self { mechanism: Mechanism::ScramSha512, user: user.into(), password }
    }
}
