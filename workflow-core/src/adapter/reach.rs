//! How far an adapter's work reaches.

use std::fmt;

/// How far what an adapter does can be seen: in its own process, or by every process of a cluster.
///
/// The engine asks the scheduler and the streamer for theirs. Roles that reach no further than this process leave the
/// store to one engine alone, which publishes its own outbox rows; roles of a cluster let many engines share the store, and
/// leave the rows to `outbox-relay`.
///
/// ```
/// use workflow_core::adapter::{Reach, RoleScheduler};
/// use workflow_core::memory::InProcessScheduler;
/// assert_eq!(InProcessScheduler::new().reach(), Reach::Process);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// This process alone.
    #[default]
    Process,
    /// Every process that uses the same servers.
    Cluster,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reach::Process => "process",
            Reach::Cluster => "cluster",
        })
    }
}
