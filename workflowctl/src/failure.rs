//! Why something could not be done.

use std::fmt;

use workflow_core::adapter::BackendError;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The settings cannot be used; all that is wrong with them.
    #[error("{0}")]
    Settings(Problems),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] BackendError),
    /// etcd cannot be asked.
    #[error(transparent)]
    Etcd(#[from] scheduler_etcd::EtcdError),
    /// Something of the system failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Nobody reads the output any more.
    #[error("the output is closed")]
    OutputClosed,
}

impl From<store_sql::MigrateError> for Failure {
    fn from(error: store_sql::MigrateError) -> Self {
        Failure::Database(error.into())
    }
}

impl Failure {
    pub(crate) fn io(what: &'static str, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::System { what, source },
        }
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// One thing that is wrong: where it stands, and what to do about it.
    pub(crate) fn add(&mut self, place: impl fmt::Display, problem: impl fmt::Display) {
        self.0.push(format!("{place}: {problem}"));
    }

    /// The value, if nothing is wrong.
    pub(crate) fn or<V>(self, value: Option<V>) -> Result<V, Failure> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Failure::Settings(self)),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [only] => f.write_str(only),
            all => {
                write!(f, "{} settings cannot be used:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}
