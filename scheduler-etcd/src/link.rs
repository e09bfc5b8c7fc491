//! The connection: whichever endpoint answers.

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, GetOptions, Identity, TlsOptions};

use crate::config::{EtcdConfig, TlsConfig};
use crate::error::EtcdError;
use crate::keys::Keys;

/// etcd cuts connections that ping more often than each five seconds.
const PING_EVERY: Duration = Duration::from_secs(10);

/// The connection to one endpoint that answers. When it fails, the next use looks for one again.
///
/// One endpoint at a time, rather than a balanced set: what fails can be told by its name, and no request goes to one that is
/// known to be dead.
#[derive(Clone)]
pub(crate) struct Link {
    config: Arc<EtcdConfig>,
    keys: Keys,
    client: Arc<Mutex<Option<Client>>>,
}

impl Link {
    pub(crate) fn new(config: Arc<EtcdConfig>) -> Self {
        let keys = Keys::new(&config.namespace);
        Self { config, keys, client: Arc::default() }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn config(&self) -> &EtcdConfig {
        &self.config
    }

    /// A client of an endpoint that has answered.
    pub(crate) async fn client(&self) -> Result<Client, EtcdError> {
        let known = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(client) = known {
            return Ok(client);
        }
        let client = self.connect().await?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }

    /// The connection has failed: the next use looks for another.
    pub(crate) fn is_broken(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn connect(&self) -> Result<Client, EtcdError> {
        let options = self.options()?;
        let mut endpoints: Vec<&String> = self.config.endpoints.iter().collect();
        // Many processes with one list are not all to ask its first.
        fastrand::shuffle(&mut endpoints);
        let mut tried = Vec::new();
        for endpoint in endpoints {
            match tokio::time::timeout(self.config.connect_timeout, self.try_one(endpoint, &options)).await {
                Ok(Ok(client)) => return Ok(client),
                Ok(Err(error)) => tried.push((endpoint, self.judge(endpoint, error)?)),
                Err(_) => {
                    let answer = format!("no answer within {:?}", self.config.connect_timeout);
                    tried.push((endpoint, answer));
                }
            }
        }
        let tried: Vec<String> =
            tried.into_iter().map(|(endpoint, answer)| format!("{endpoint} ({answer})")).collect();
        Err(EtcdError::Unreachable { tried: tried.join(", ") })
    }

    /// Connects and reads a key, as only that shows that the server answers and lets us.
    async fn try_one(&self, endpoint: &str, options: &ConnectOptions) -> Result<Client, etcd_client::Error> {
        let client = Client::connect([endpoint], Some(options.clone())).await?;
        let range = GetOptions::new().with_prefix().with_keys_only().with_limit(1);
        client.kv_client().get(self.keys.root(), Some(range)).await?;
        Ok(client)
    }

    /// What an endpoint's error is to the user: one that no other endpoint would change, or a line about this one.
    fn judge(&self, endpoint: &str, error: etcd_client::Error) -> Result<String, EtcdError> {
        let (endpoint, login) = (endpoint.to_owned(), self.login());
        let text = error.to_string();
        // etcd has no codes for these that tell them from others.
        if text.contains("permission denied") {
            let prefix = self.keys.root().to_owned();
            return Err(EtcdError::Permission { endpoint, login, prefix, source: error });
        }
        if [
            "authentication failed",
            "user name is empty",
            "authentication is not enabled",
            "invalid auth token",
        ]
        .iter()
        .any(|login_error| text.contains(login_error))
        {
            return Err(EtcdError::Login { endpoint, login, source: error });
        }
        Ok(innermost(&error))
    }

    fn login(&self) -> String {
        match self.config.login() {
            Some((user, _)) => format!("the user {user:?}"),
            None => "a client without a user".to_owned(),
        }
    }

    fn options(&self) -> Result<ConnectOptions, EtcdError> {
        let mut options = ConnectOptions::new()
            .with_keep_alive(PING_EVERY, self.config.connect_timeout)
            .with_keep_alive_while_idle(true)
            .with_connect_timeout(self.config.connect_timeout)
            .with_require_leader(true);
        if let Some((user, password)) = self.config.login() {
            options = options.with_user(user, password).with_auto_token_refresh(true);
        }
        if let Some(tls) = &self.config.tls {
            options = options.with_tls(tls_options(tls)?);
        } else if self.config.endpoints.iter().all(|endpoint| endpoint.starts_with("https://")) {
            options = options.with_tls(TlsOptions::new().with_native_roots());
        }
        Ok(options)
    }
}

/// What an answer is worth that does not come in time: the request may have been done or not.
pub(crate) async fn in_time<V>(
    what: &'static str,
    limit: Duration,
    request: impl Future<Output = Result<V, etcd_client::Error>>,
) -> Result<V, EtcdError> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(|source| EtcdError::Request { what, source }),
        Err(_) => Err(EtcdError::TimedOut { what }),
    }
}

fn tls_options(tls: &TlsConfig) -> Result<TlsOptions, EtcdError> {
    let mut options = TlsOptions::new();
    options = match &tls.ca_file {
        Some(file) => options.ca_certificate(Certificate::from_pem(read("tls.ca_file", file)?)),
        None => options.with_native_roots(),
    };
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        options =
            options.identity(Identity::from_pem(read("tls.cert_file", cert)?, read("tls.key_file", key)?));
    }
    if let Some(domain) = &tls.domain {
        options = options.domain_name(domain);
    }
    Ok(options)
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, EtcdError> {
    std::fs::read(path).map_err(|source| EtcdError::File {
        setting,
        path: path.display().to_string(),
        source,
    })
}

/// The innermost cause, which names what happened on the wire; etcd's client hides it behind a general error.
fn innermost(error: &etcd_client::Error) -> String {
    let mut inner: &dyn std::error::Error = match error {
        etcd_client::Error::GRpcStatus(status) => status,
        etcd_client::Error::TransportError(error) => error,
        other => other,
    };
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
