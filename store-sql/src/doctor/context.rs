//! What every check knows.

use super::options::DoctorOptions;
use super::session::Dialect;

/// Where the database is, which SQL it speaks, and what is asked of it.
pub(super) struct Context {
    pub(super) dialect: Dialect,
    /// The connection string, with `***` for the password.
    pub(super) place: String,
    pub(super) options: DoctorOptions,
}

#[cfg(test)]
impl Context {
    /// One for tests of rules.
    pub(super) fn sample(dialect: Dialect) -> Self {
        Self { dialect, place: "mysql://me:***@db:3306/orders".to_owned(), options: DoctorOptions::new() }
    }
}
