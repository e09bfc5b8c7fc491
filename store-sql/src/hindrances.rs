//! What stands in the way of attached work, time and again.
//!
//! Work that is hindered is begun again, and that must have an end: its run would never be seen to fail, and would be tried
//! for ever.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How often others may be in the way before that is a failure of the work: less than a transaction is begun again.
const HINDRANCES_MAX: u32 = 4;

/// How often others were in the way of the attached work of one change, over the attempts at its transaction.
#[derive(Debug, Default)]
pub(crate) struct Hindrances(AtomicU32);

impl Hindrances {
    /// Others held what the work needs. What is given back is what its transaction ends with.
    pub(crate) fn contended(&self, error: sqlx::Error) -> sqlx::Error {
        if self.0.fetch_add(1, Ordering::AcqRel) + 1 < HINDRANCES_MAX {
            return error;
        }
        given_up(format!("others were in the way of the attached work {HINDRANCES_MAX} times: {error}"))
    }

    /// The connection was lost when the work had taken so long. The server ends a transaction that lies idle for longer
    /// than the limit: once may be for a process that was frozen, twice is for the work.
    pub(crate) fn lost(&self, error: sqlx::Error, took: Duration, limit: Duration) -> sqlx::Error {
        if took < limit || self.0.fetch_add(1, Ordering::AcqRel) == 0 {
            return error;
        }
        let (took, limit) = (took.as_millis(), limit.as_millis());
        given_up(format!(
            "the connection was lost after the attached work had taken {took} ms, and a transaction may lie idle for \
             {limit} ms: {error}"
        ))
    }
}

/// An error after which no transaction is begun again.
fn given_up(reason: String) -> sqlx::Error {
    sqlx::Error::Configuration(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hindrance() -> sqlx::Error {
        sqlx::Error::WorkerCrashed
    }

    #[test]
    fn work_is_given_up_when_others_are_in_its_way_for_ever() {
        let hindrances = Hindrances::default();
        for _ in 1..HINDRANCES_MAX {
            assert!(matches!(hindrances.contended(hindrance()), sqlx::Error::WorkerCrashed));
        }
        assert!(matches!(hindrances.contended(hindrance()), sqlx::Error::Configuration(_)));
    }

    #[test]
    fn a_connection_that_slow_work_lost_twice_is_a_failure_of_the_work() {
        let (hindrances, limit) = (Hindrances::default(), Duration::from_secs(5));
        for took in [limit / 2, limit / 2, limit, limit / 2] {
            assert!(matches!(hindrances.lost(hindrance(), took, limit), sqlx::Error::WorkerCrashed));
        }
        assert!(matches!(hindrances.lost(hindrance(), limit, limit), sqlx::Error::Configuration(_)));
    }
}
