//! What is wrong with a connection string.

use std::fmt;

/// One thing that is wrong: which part, why, and what to write instead. It never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsnProblem {
    /// The part: a parameter's name, or `host`, `port`, `password` ...
    pub part: String,
    /// Why it is refused, and what to do.
    pub reason: String,
}

impl fmt::Display for DsnProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.reason)
    }
}

/// Everything that is wrong with a connection string.
///
/// ```
/// use store_sql::config::Dsn;
/// let error = "mysql://localhost:many/?compress=true".parse::<Dsn>().unwrap_err();
/// let parts: Vec<_> = error.problems().iter().map(|problem| problem.part.as_str()).collect();
/// assert_eq!(parts, ["port", "compress", "database"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsnError(Vec<DsnProblem>);

impl DsnError {
    /// The problems, in the order of the string.
    pub fn problems(&self) -> &[DsnProblem] {
        &self.0
    }
}

impl fmt::Display for DsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection string cannot be used: ")?;
        for (at, problem) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DsnError {}

impl DsnError {
    /// Replaces the problems for which there is another one.
    pub(super) fn told_otherwise(self, other: impl Fn(&DsnProblem) -> Option<DsnProblem>) -> Self {
        Self(self.0.into_iter().map(|problem| other(&problem).unwrap_or(problem)).collect())
    }
}

/// Collects what is wrong while a string is read.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<DsnProblem>);

impl Problems {
    pub(super) fn add(&mut self, part: impl Into<String>, reason: impl Into<String>) {
        self.0.push(DsnProblem { part: part.into(), reason: reason.into() });
    }

    /// Takes the value, or the problem.
    pub(super) fn take<V>(&mut self, part: &str, value: Result<V, String>) -> Option<V> {
        value.map_err(|reason| self.add(part, reason)).ok()
    }

    /// The value, if nothing was wrong.
    pub(super) fn or<V>(self, value: V) -> Result<V, DsnError> {
        if self.0.is_empty() { Ok(value) } else { Err(DsnError(self.0)) }
    }
}
