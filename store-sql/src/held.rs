//! The right to run engines on a database, as the engines of one process hold it.

use workflow_core::adapter::{BackendError, ErrorKind, Reach};

/// The right, and how many engines of this process share it.
pub(crate) struct Held<R> {
    pub(crate) right: R,
    reach: Reach,
    engines: usize,
}

impl<R> Held<R> {
    /// The right of a first engine.
    pub(crate) fn by(right: R, reach: Reach) -> Self {
        Self { right, reach, engines: 1 }
    }

    /// Takes one more engine in, if all of them belong to a cluster.
    pub(crate) fn join(&mut self, reach: Reach, place: &str) -> Result<(), BackendError> {
        if (self.reach, reach) != (Reach::Cluster, Reach::Cluster) {
            let context = format!("an engine runs on {place} in this process already");
            return Err(BackendError::new(ErrorKind::AlreadyRunning, context));
        }
        self.engines += 1;
        Ok(())
    }

    /// One engine has ended. Gives the right itself when it was the last one.
    pub(crate) fn leave(held: &mut Option<Self>) -> Option<R> {
        let mut present = held.take()?;
        present.engines -= 1;
        if present.engines == 0 {
            return Some(present.right);
        }
        *held = Some(present);
        None
    }
}

/// Why an engine is refused that other engines exclude.
pub(crate) fn refused(place: &str) -> BackendError {
    let context = format!(
        "another engine runs on {place}: stop it, or only connect to it for triggers, callbacks and reads"
    );
    BackendError::new(ErrorKind::AlreadyRunning, context)
}
