//! How etcd is reached, and how roles are held.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use workflow_core::Namespace;

use crate::error::ConfigError;

/// Lease times: etcd itself grants no less than two seconds, and after more than five minutes nobody would wait for a dead
/// owner's roles.
const LEASE_TIME: std::ops::RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(300);

/// A password, which no `Debug` shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Certificates for `https` endpoints, as files in PEM form.
///
/// ```
/// use scheduler_etcd::TlsConfig;
/// let tls = TlsConfig::new().ca_file("/etc/etcd/ca.pem").client("/etc/etcd/worker.pem", "/etc/etcd/worker.key");
/// # let _ = tls;
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) domain: Option<String>,
}

impl TlsConfig {
    /// The system's authorities, and no client certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// The authority that signed the servers' certificates, in place of the system's.
    pub fn ca_file(self, file: impl Into<PathBuf>) -> Self {
        Self { ca_file: Some(file.into()), ..self }
    }

    /// The client's certificate and its key.
    pub fn client(self, cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        Self { cert_file: Some(cert_file.into()), key_file: Some(key_file.into()), ..self }
    }

    /// The name that the servers' certificates bear, if it is not the host of the endpoint.
    pub fn domain(self, domain: impl Into<String>) -> Self {
        Self { domain: Some(domain.into()), ..self }
    }
}

/// How etcd is reached, and how roles are held.
///
/// It can be built, or read from a configuration file; what is wrong with it is told all at once by [`check`](Self::check),
/// which every `connect` asks first.
///
/// ```
/// use std::time::Duration;
/// use scheduler_etcd::EtcdConfig;
/// use workflow_core::Namespace;
/// let config = EtcdConfig::new(["http://etcd-1:2379", "http://etcd-2:2379"])
///     .user("worker", "secret")
///     .namespace(Namespace::new("shop")?)
///     .lease_time(Duration::from_secs(15));
/// config.check()?;
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdConfig {
    pub(crate) endpoints: Vec<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    pub(crate) tls: Option<TlsConfig>,
    #[serde(default, deserialize_with = "namespace")]
    pub(crate) namespace: Namespace,
    #[serde(default)]
    pub(crate) instance_name: Option<String>,
    #[serde(default = "lease_time", rename = "lease_seconds", deserialize_with = "seconds")]
    pub(crate) lease_time: Duration,
    #[serde(default = "connect_timeout", rename = "connect_timeout_seconds", deserialize_with = "seconds")]
    pub(crate) connect_timeout: Duration,
    #[serde(default = "hold_min", rename = "hold_min_seconds", deserialize_with = "seconds")]
    pub(crate) hold_min: Duration,
    #[serde(
        default = "hand_over_timeout",
        rename = "hand_over_timeout_seconds",
        deserialize_with = "seconds"
    )]
    pub(crate) hand_over_timeout: Duration,
}

impl EtcdConfig {
    /// The servers, each as `http://host:port` or `https://host:port`; any one that answers is used.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            user: None,
            password: None,
            tls: None,
            namespace: Namespace::NONE,
            instance_name: None,
            lease_time: lease_time(),
            connect_timeout: connect_timeout(),
            hold_min: hold_min(),
            hand_over_timeout: hand_over_timeout(),
        }
    }

    /// The user that etcd's authentication knows.
    pub fn user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: Some(name.into()), password: Some(Secret(password.into())), ..self }
    }

    /// Certificates, for `https` endpoints. Without them, the system's authorities are trusted.
    pub fn tls(self, tls: TlsConfig) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The store's namespace, with which every key begins.
    pub fn namespace(self, namespace: Namespace) -> Self {
        Self { namespace, ..self }
    }

    /// What people call this process, for lists of roles. By default, host and process number.
    pub fn instance_name(self, name: impl Into<String>) -> Self {
        Self { instance_name: Some(name.into()), ..self }
    }

    /// How long the roles of a process that has died stay its own: 2 to 300 seconds, by default 10.
    ///
    /// It is renewed each third of that time. A process that could not renew it gives its roles up after two thirds.
    pub fn lease_time(self, lease_time: Duration) -> Self {
        Self { lease_time, ..self }
    }

    /// How long one endpoint may take to answer, by default 5 seconds.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// How long a role is kept at least before it moves to the instance that is to have it, by default 1 second.
    ///
    /// It keeps roles from going to and fro between instances that come and go.
    pub fn hold_min(self, hold_min: Duration) -> Self {
        Self { hold_min, ..self }
    }

    /// How long a process may take to end when its role is to move, before the role moves all the same; by default 30 seconds.
    pub fn hand_over_timeout(self, hand_over_timeout: Duration) -> Self {
        Self { hand_over_timeout, ..self }
    }

    /// Tells every mistake at once, without asking a server.
    ///
    /// # Errors
    /// [`ConfigError`] with one line for each mistake.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut mistakes = Vec::new();
        if self.endpoints.is_empty() {
            mistakes.push("endpoints: none is given; name at least one, as http://127.0.0.1:2379".to_owned());
        }
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            if let Err(mistake) = check_endpoint(endpoint, self.tls.is_some()) {
                mistakes.push(format!("endpoints[{at}]: {mistake}"));
            }
        }
        self.check_login(&mut mistakes);
        self.check_tls(&mut mistakes);
        if !LEASE_TIME.contains(&self.lease_time) {
            mistakes.push(format!("lease_seconds: {:?} is not in 2 to 300 s", self.lease_time));
        }
        for (what, time) in [
            ("connect_timeout_seconds", self.connect_timeout),
            ("hand_over_timeout_seconds", self.hand_over_timeout),
        ] {
            if time.is_zero() {
                mistakes.push(format!("{what}: it is zero; give it some seconds"));
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(ConfigError { mistakes }) }
    }

    fn check_login(&self, mistakes: &mut Vec<String>) {
        match (&self.user, &self.password) {
            (Some(user), Some(_)) if user.is_empty() => mistakes.push("user: it is empty".to_owned()),
            (Some(_), None) => mistakes.push("password: it is missing, with a user given".to_owned()),
            (None, Some(_)) => mistakes.push("user: it is missing, with a password given".to_owned()),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn check_tls(&self, mistakes: &mut Vec<String>) {
        let Some(tls) = &self.tls else { return };
        match (&tls.cert_file, &tls.key_file) {
            (Some(_), None) => {
                mistakes.push("tls.key_file: it is missing, with a cert_file given".to_owned())
            }
            (None, Some(_)) => {
                mistakes.push("tls.cert_file: it is missing, with a key_file given".to_owned())
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// The user and the password, if there are any.
    pub(crate) fn login(&self) -> Option<(&str, &str)> {
        Some((self.user.as_deref()?, self.password.as_ref()?.0.as_str()))
    }
}

/// What is wrong with an endpoint; what may be a password in it is not repeated.
fn check_endpoint(endpoint: &str, has_tls: bool) -> Result<(), String> {
    let authority = if let Some(rest) = endpoint.strip_prefix("https://") {
        rest
    } else if let Some(rest) = endpoint.strip_prefix("http://") {
        if has_tls {
            return Err(
                "it begins with http://, with certificates given; write https://, or leave tls out".into()
            );
        }
        rest
    } else {
        return Err("it begins neither with http:// nor with https://".into());
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if authority.contains('@') {
        return Err("it has a user or password in it; give them as user and password".into());
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(()),
        _ => Err(format!("{authority:?} is no host:port, as etcd-1:2379")),
    }
}

fn namespace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Namespace, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() { Ok(Namespace::NONE) } else { Namespace::new(name).map_err(serde::de::Error::custom) }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

const fn lease_time() -> Duration {
    Duration::from_secs(10)
}

const fn connect_timeout() -> Duration {
    Duration::from_secs(5)
}

const fn hold_min() -> Duration {
    Duration::from_secs(1)
}

const fn hand_over_timeout() -> Duration {
    Duration::from_secs(30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once_and_no_secret() {
        let config = EtcdConfig {
            password: None,
            ..EtcdConfig::new(["ftp://x", "http://u:geheim@h:1", "http://h"]).user("u", "geheim")
        };
        let config = EtcdConfig {
            tls: Some(TlsConfig { cert_file: Some("c".into()), ..TlsConfig::new() }),
            ..config.lease_time(Duration::from_secs(1)).connect_timeout(Duration::ZERO)
        };
        let error = config.check().unwrap_err().to_string();
        for part in [
            "endpoints[0]",
            "endpoints[1]",
            "endpoints[2]",
            "password",
            "tls.key_file",
            "lease_seconds",
            "connect_timeout",
        ] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
        assert!(!error.contains("geheim"));
    }

    #[test]
    fn a_file_sets_what_the_builder_sets() {
        let text = r#"{"endpoints": ["https://h:2379"], "user": "u", "password": "geheim", "namespace": "shop",
            "tls": {"ca_file": "ca.pem"}, "lease_seconds": 2.5}"#;
        let config: EtcdConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.lease_time, Duration::from_millis(2500));
        assert_eq!(config.login(), Some(("u", "geheim")));
        assert!(config.check().is_ok() && !format!("{config:?}").contains("geheim"));
        assert!(serde_json::from_str::<EtcdConfig>(r#"{"endpoints": [], "namespaec": "x"}"#).is_err());
        assert!(serde_json::from_str::<EtcdConfig>(r#"{"endpoints": [], "namespace": "a b"}"#).is_err());
    }
}
