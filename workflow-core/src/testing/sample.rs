//! A run for a test of one function.

use std::sync::Arc;

use bytes::Bytes;

use super::ManualClock;
use crate::adapter::Clock;
use crate::run::CallContext;
use crate::{ForeignId, Record, Run, RunId, RunState, Status, Version, WorkflowName};

/// A run with this object in this status, as if it had just been triggered: a step is an ordinary function, and this is
/// its argument.
///
/// ```
/// # use workflow_shop::*;
/// use workflow_core::testing::run_with;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut run = run_with(Order { cents: 4_200 }, Placed);
/// assert_eq!(pay(&mut run).await.unwrap(), Paid);
/// assert_eq!((run.attempt(), run.version().get()), (1, 1));
/// # Ok(())
/// # }
/// ```
pub fn run_with<T, S: Status>(object: T, status: S) -> Run<T, S> {
    let now = ManualClock::new().now();
    let record = Record {
        workflow_name: WorkflowName::new("test").expect("the name is short"),
        foreign_id: ForeignId::new("test").expect("the key is short"),
        run_id: RunId::generate(),
        run_state: RunState::Initiated,
        status: status.code(),
        object: Bytes::new(),
        created_at: now,
        updated_at: now,
        version: Version::FIRST,
        run_state_reason: Arc::default(),
        status_description: status.name().into(),
        trace_origin: Arc::default(),
        traceparent: None,
        last_event_id: None,
        paused_by: None,
        start_key: None,
    };
    let call = CallContext { attempt: 1, fence: None, signals: Arc::default() };
    Run::new(object, status, Arc::new(record), call)
}
