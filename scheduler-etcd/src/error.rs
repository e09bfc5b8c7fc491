//! What can go wrong with etcd.

use std::fmt;

use workflow_core::adapter::{BackendError, ErrorKind};

/// Every mistake of a configuration.
#[derive(Clone, Debug, thiserror::Error)]
pub struct ConfigError {
    pub(crate) mistakes: Vec<String>,
}

impl ConfigError {
    /// One line for each mistake, with the setting in front.
    pub fn mistakes(&self) -> &[String] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration of etcd has mistakes: {}", self.mistakes.join("; "))
    }
}

/// What can go wrong with etcd: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EtcdError {
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file with a certificate or key cannot be read.
    #[error("{setting} cannot be read from {path}; check the path and who may read it")]
    File {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No endpoint answered.
    #[error(
        "no etcd endpoint answers: {tried}; check that etcd runs there, and the addresses, ports and certificates"
    )]
    Unreachable {
        /// Each endpoint, and what came of it.
        tried: String,
    },
    /// User or password are wrong.
    #[error("etcd at {endpoint} refuses {login}; check user and password, and that the user exists there")]
    Login {
        /// The endpoint.
        endpoint: String,
        /// Who asked.
        login: String,
        /// What etcd said.
        #[source]
        source: etcd_client::Error,
    },
    /// The user may not use the keys.
    #[error(
        "etcd at {endpoint} lets {login} not use the keys under {prefix:?}; grant it readwrite on that prefix"
    )]
    Permission {
        /// The endpoint.
        endpoint: String,
        /// Who asked.
        login: String,
        /// What all keys begin with.
        prefix: String,
        /// What etcd said.
        #[source]
        source: etcd_client::Error,
    },
    /// A request failed.
    #[error("etcd could not {what}")]
    Request {
        /// What was asked.
        what: &'static str,
        /// What etcd said.
        #[source]
        source: etcd_client::Error,
    },
    /// A request got no answer in time.
    #[error("etcd did not answer in time when asked to {what}")]
    TimedOut {
        /// What was asked.
        what: &'static str,
    },
    /// The namespace belongs to another database.
    #[error(
        "the namespace {namespace:?} in etcd belongs to the database {bound}, and this is the database {database}; \
         give each database a namespace of its own, or delete the key {key:?} if the other database is no more"
    )]
    ForeignDatabase {
        /// The namespace; empty if it has no name.
        namespace: String,
        /// The id of the database that has it.
        bound: String,
        /// The id of the database that asked.
        database: uuid::Uuid,
        /// Where etcd keeps it.
        key: String,
    },
    /// What epochs are counted from is no number.
    #[error(
        "the key {key:?} in etcd, from which epochs are counted, is no number; delete it and start all processes anew"
    )]
    EpochsUnreadable {
        /// Where etcd keeps it.
        key: String,
    },
    /// The operating system gives no thread.
    #[error("the thread that renews the lease cannot be started")]
    Thread(#[source] std::io::Error),
    /// The scheduler was closed.
    #[error("the etcd scheduler is closed")]
    Closed,
}

impl From<EtcdError> for BackendError {
    fn from(error: EtcdError) -> Self {
        let kind = match &error {
            EtcdError::Unreachable { .. } | EtcdError::Request { .. } | EtcdError::Thread(_) => {
                ErrorKind::Transient
            }
            EtcdError::TimedOut { .. } => ErrorKind::UnknownOutcome,
            EtcdError::Config(_)
            | EtcdError::File { .. }
            | EtcdError::Login { .. }
            | EtcdError::Permission { .. }
            | EtcdError::EpochsUnreadable { .. }
            | EtcdError::ForeignDatabase { .. } => ErrorKind::Permanent,
            EtcdError::Closed => ErrorKind::Closed,
        };
        let context = error.to_string();
        BackendError::with_source(kind, context, error)
    }
}
