//! What every check knows.

use super::expected::Over;
use super::options::DoctorOptions;
use super::session::Dialect;

/// Where the database is, which SQL it speaks, and what is asked of it.
pub(super) struct Context {
    pub(super) dialect: Dialect,
    /// The connection string, with `***` for the password.
    pub(super) place: String,
    pub(super) options: DoctorOptions,
    /// How the records' keys are compared.
    pub(super) over: Over,
}

impl Context {
    /// How the tables are mended, as a command.
    pub(super) fn migrate(&self) -> String {
        format!("workflowctl migrate --database '{}'", self.place)
    }
}

#[cfg(test)]
impl Context {
    /// One for tests of rules.
    pub(super) fn sample(dialect: Dialect) -> Self {
        Self {
            dialect,
            place: "mysql://me:***@db:3306/orders".to_owned(),
            options: DoctorOptions::new(),
            over: Over::Keys,
        }
    }
}
