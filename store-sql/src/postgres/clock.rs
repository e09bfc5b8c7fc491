//! Whose clock decides what time it is.

use std::fmt;
use std::sync::Arc;

use chrono::NaiveDateTime;
use workflow_core::Timestamp;
use workflow_core::adapter::{Clock, Hold, SystemClock};

use super::stamp::column;

/// By which clock a store stamps: the server's, unless one was given, as tests do.
#[derive(Clone, Default)]
pub(super) struct StampClock {
    given: Option<Arc<dyn Clock>>,
    /// One for the whole life of a store: what it says of how much time has gone by is compared.
    host: Arc<SystemClock>,
}

impl StampClock {
    pub(super) fn given(clock: Arc<dyn Clock>) -> Self {
        Self { given: Some(clock), ..Self::default() }
    }

    /// The clock by which the engine measures and sleeps.
    pub(super) fn as_clock(&self) -> Arc<dyn Clock> {
        self.given.clone().unwrap_or_else(|| Arc::clone(&self.host) as Arc<dyn Clock>)
    }

    /// The present, where the server's is this.
    pub(super) fn now(&self, server: Timestamp) -> Timestamp {
        self.given.as_ref().map_or(server, |clock| clock.now())
    }

    /// The present as a statement takes it; NULL if it is to use the server's.
    pub(super) fn parameter(&self) -> Option<NaiveDateTime> {
        self.given.as_ref().map(|clock| column(clock.now()))
    }

    pub(super) fn hold(&self) -> Hold {
        self.given.as_ref().map_or_else(Hold::default, |clock| clock.hold())
    }
}

impl fmt::Debug for StampClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.given.is_some() { "given" } else { "the server's" })
    }
}
