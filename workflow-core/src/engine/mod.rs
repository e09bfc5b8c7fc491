//! How a workflow runs: calls, processes, and the one write path under both.

mod acks;
mod api;
mod attempt;
mod backend_metrics;
mod callback;
mod client;
mod commit;
mod connectors;
mod consumers;
mod core;
mod due;
mod due_work;
mod failure;
mod histogram;
mod hook;
mod hub;
mod inbox;
mod inserter;
mod intake;
mod lookups;
mod metrics;
mod moved;
mod moves;
mod operate;
mod operator;
mod outbox;
mod plan;
mod reconciler;
mod role;
mod running;
mod schedules;
mod start;
mod step;
mod stored_run;
mod timeout;
mod trace;
mod trigger;
mod wait;
mod waiters;
mod work;

use std::time::Duration;

pub use self::backend_metrics::{BATCH_BOUNDS, BackendMetrics};
pub use self::client::{CallbackCall, Client};
pub use self::core::Object;
pub use self::histogram::Measurement;
pub use self::metrics::{LATENCY_BOUNDS_SECONDS, Metrics, ProcessState, Sample};
pub use self::operator::{Operator, OperatorError, Retried, Triggered, UntypedStart};
pub use self::running::{Running, Shutdown};
pub use self::stored_run::{RunPage, StoredRun};
pub use self::trigger::{Start, Trigger};
pub use self::wait::{Awaited, Wait};

/// An error with its causes on one line, none of them twice.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}

/// Sleeps, or waits for ever if there is no end to the sleep.
async fn sleep_at_most(clock: &dyn crate::adapter::Clock, duration: Duration) {
    if duration == Duration::MAX { std::future::pending().await } else { clock.sleep(duration).await }
}
