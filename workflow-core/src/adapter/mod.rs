//! Contracts: what the engine asks of a store, a streamer, a scheduler and a clock.
//!
//! Each trait has a numbered `# Contract`; every clause has a conformance test of that name.

mod backend;
mod change;
mod clock;
mod delegate;
mod erased;
mod error;
mod event_streamer;
mod namespaced;
mod query;
mod reach;
mod relay_store;
mod role_scheduler;
mod store;
mod trace_link;

pub use backend::{Backend, DynStore};
pub use change::{
    Attached, Callback, Change, DeadLetter, Effect, Expect, Fence, NewTimer, OutboxRow, Outcome, RetryKey,
    RetryRow, RetryUpdate, SlotKey, TimerKey, TimerRow,
};
pub use clock::{Clock, Hold, SystemClock};
pub use erased::{DynReceiver, DynScheduler, DynStreamer};
pub use error::{BackendError, ErrorKind};
pub use event_streamer::{
    ConnectorEvent, Delivery, EventReceiver, EventStreamer, Generation, Position, Publication, SendOutcome,
    StartAt, Unreadable,
};
pub use namespaced::{Namespaced, NamespacedReceiver};
pub use query::{Cursor, DriverlessSlice, HistoryQuery, ListPage, ListQuery, Page};
pub use reach::Reach;
pub use relay_store::{OutboxDepth, RelayStore, ShardPage, Span, UnderWay};
pub use role_scheduler::{EpochClaim, Lease, RoleClaim, RoleScheduler};
pub use store::{
    BoxFuture, DueTimer, DueWork, Found, OutboxPage, Store, StoreLimits, StoredOutboxRow, Waking,
};
pub use trace_link::{TraceContext, TraceLink, publish_span};
