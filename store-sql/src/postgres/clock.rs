//! Whose clock decides what time it is.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDateTime;
use workflow_core::Timestamp;
use workflow_core::adapter::{Clock, Hold, SystemClock};

use super::stamp::column;

/// By which clock a store stamps: the server's, unless one was given, as tests do.
#[derive(Clone, Default)]
pub(super) struct StampClock(Option<Arc<dyn Clock>>);

impl StampClock {
    pub(super) fn given(clock: Arc<dyn Clock>) -> Self {
        Self(Some(clock))
    }

    /// The clock by which the engine measures and sleeps.
    pub(super) fn as_clock(&self) -> Arc<dyn Clock> {
        self.0.clone().unwrap_or_else(|| Arc::new(SystemClock::new()))
    }

    /// The present, where the server's is this.
    pub(super) fn now(&self, server: Timestamp) -> Timestamp {
        self.0.as_ref().map_or(server, |clock| clock.now())
    }

    /// The present as a statement takes it; NULL if it is to use the server's.
    pub(super) fn parameter(&self) -> Option<NaiveDateTime> {
        self.0.as_ref().map(|clock| column(clock.now()))
    }

    pub(super) fn hold(&self) -> Hold {
        self.0.as_ref().map_or_else(Hold::default, |clock| clock.hold())
    }
}

impl fmt::Debug for StampClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "given" } else { "the server's" })
    }
}
