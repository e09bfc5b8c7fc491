//! When a schedule's slots are.

use crate::Timestamp;

/// A schedule's spec: five-field cron, `@hourly` and the like, or `@every 90s`, in a time zone.
#[derive(Clone, Debug)]
pub struct CronSpec {
    text: std::sync::Arc<str>,
}

/// A schedule's spec that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schedule {spec:?}, position {position}: {reason}")]
pub struct InvalidCron {
    /// The spec.
    pub spec: String,
    /// Where, counted in characters from 1.
    pub position: usize,
    /// What is wrong there.
    pub reason: String,
}

impl CronSpec {
    /// Reads a spec, in UTC.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(spec: &str) -> Result<Self, InvalidCron> {
        Ok(Self { text: spec.into() })
    }

    /// The spec as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot after an instant; `None` if there is none any more.
    pub fn next_after(&self, _instant: Timestamp) -> Option<Timestamp> {
        None
    }
}
