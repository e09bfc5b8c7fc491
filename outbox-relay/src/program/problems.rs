//! Everything that is wrong with the settings.

use std::fmt;

/// All problems, each with the place where it stands.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    pub(crate) fn add(&mut self, place: impl fmt::Display, problem: impl fmt::Display) {
        self.0.push(format!("{place}: {problem}"));
    }

    /// Takes the value out of a result, or notes what is wrong.
    pub(crate) fn take<V, E: fmt::Display>(
        &mut self,
        place: impl fmt::Display,
        result: Result<V, E>,
    ) -> Option<V> {
        result.map_err(|error| self.add(place, error)).ok()
    }

    /// The value, if nothing is wrong.
    pub(crate) fn or<V>(self, value: Option<V>) -> Result<V, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot be used:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}
