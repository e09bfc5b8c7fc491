//! Pure values and rules: no async, no clock, no I/O, no logging.
//!
//! Everything with a truth table lives here, so that it is tested without a runtime.

mod event;
mod history;
mod ids;
mod names;
mod namespace;
mod outbox_record;
mod record;
mod retry;
mod role;
mod run_state;
mod status;
mod timestamp;
mod topic;
mod transition;
mod verdict;

pub use event::{Event, Headers, header};
pub use history::{Actor, HistoryEntry};
pub use ids::{BUCKETS, Epoch, EventId, RunId, Version, bucket_of, fnv1a_32};
pub use names::{ForeignId, InvalidName, ProcessName, StartKey, TimerName, WorkflowName};
pub use namespace::Namespace;
pub use outbox_record::{DecodeOutboxError, decode_outbox, encode_outbox};
pub use record::{InvalidMeta, Meta, PausedBy, Record};
pub use retry::RetryPolicy;
pub use role::{GroupName, RoleName, Shard};
pub use run_state::{InvalidRunState, RunState};
pub use status::{InvalidStatus, Status, StatusCode};
pub use timestamp::{Due, Timestamp};
pub use topic::{InvalidTopic, TOPIC_LEN_MAX, Topic};
pub use transition::{Move, Refusal, Transition, apply};
pub use verdict::{Consumer, Skip, Verdict, judge};

pub(crate) use role::normal_name;
