//! Whether a database is fit to run workflows on, and what to change if it is not.
//!
//! [`examine`] connects, asks the server about everything that the engine rests on, and gives a [`Report`]: each finding
//! has a name that stays the same, a severity, what was found, and what to change. It changes nothing: what it writes it
//! takes away in the same transaction, or keeps in temporary tables that only its own session sees.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! use store_sql::doctor::{DoctorOptions, Verdict, examine};
//! let report = examine(&"sqlite:no-such-folder/orders.db".parse()?, &DoctorOptions::new()).await;
//! assert_eq!(report.verdict(), Verdict::CouldNotCheck);
//! assert_eq!(report.findings[0].id.as_str(), "database-missing");
//! # Ok::<(), store_sql::config::DsnError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checks;
mod context;
mod examination;
mod expected;
mod id;
mod names;
mod options;
mod reach;
mod report;
mod session;
mod settings;

pub use examination::examine;
pub use id::FindingId;
pub use options::DoctorOptions;
pub use report::{Finding, Report, Severity, Verdict};

/// The statements that are explained, each with single blanks, for a test that compares them with what is sent.
#[doc(hidden)]
pub fn explained_statements(dsn: &crate::config::Dsn) -> Vec<&'static str> {
    checks::plans::statements(session::Dialect::of(dsn)).into_iter().map(|statement| statement.text).collect()
}
