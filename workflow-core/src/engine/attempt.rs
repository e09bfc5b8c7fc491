//! One call of a user's function: guarded against panics, time-outs and cancellation.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{CatchUnwind, poll_fn};
use tracing::Span;

use crate::adapter::{BoxFuture, Clock};
use crate::definition::ProcessOptions;
use crate::run::{CallKey, CancelSignals};
use crate::{Record, StepError, retryable};

/// Why a call did not end by itself.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Its run was moved by somebody else, or its role was lost.
    Cancelled,
    /// It took longer than an attempt may.
    TimedOut,
}

/// The limits of a call, and the span that it runs in.
pub(crate) struct Limits {
    pub(crate) call: CallKey,
    pub(crate) span: Span,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signals: Arc<CancelSignals>,
}

impl Limits {
    pub(crate) fn new(
        call: CallKey,
        span: Span,
        options: &ProcessOptions,
        clock: &Arc<dyn Clock>,
        signals: &Arc<CancelSignals>,
    ) -> Self {
        Self {
            call,
            span,
            timeout: options.attempt_timeout,
            grace: options.cancel_grace,
            clock: Arc::clone(clock),
            signals: Arc::clone(signals),
        }
    }

    /// Ends when the call has to.
    fn reached(&self) -> BoxFuture<'static, Stopped> {
        let cancelled = self.signals.begin(self.call);
        let (clock, grace, timeout) = (Arc::clone(&self.clock), self.grace, self.timeout);
        // While the function runs, a clock that skips time would cut it short.
        let hold = clock.hold();
        Box::pin(async move {
            let timed_out = async {
                match timeout {
                    Some(timeout) => clock.sleep(timeout).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = cancelled.cancelled() => {
                    drop(hold);
                    clock.sleep(grace).await;
                    Stopped::Cancelled
                }
                () = timed_out => Stopped::TimedOut,
            }
        })
    }
}

/// The span of a call of a user's function: what the function logs is known to be of its run.
pub(crate) fn attempt_span(process: &str, record: &Record, attempt: u32) -> Span {
    tracing::debug_span!(
        "attempt",
        otel.kind = "consumer",
        process_name = process,
        workflow_name = %record.workflow_name,
        run_id = %record.run_id,
        foreign_id = %record.foreign_id,
        status = record.status.get(),
        version = record.version.get(),
        attempt,
        otel.status_code = tracing::field::Empty,
    )
}

/// Runs a user's call within its limits. A call that ends at its first poll costs nothing more than itself.
pub(crate) async fn guarded<V>(
    call: BoxFuture<'_, Result<V, StepError>>,
    limits: Limits,
) -> Result<Result<V, StepError>, Stopped> {
    let mut call: CatchUnwind<AssertUnwindSafe<BoxFuture<'_, _>>> = AssertUnwindSafe(call).catch_unwind();
    let mut reached: Option<BoxFuture<'static, Stopped>> = None;
    let mut ending = Ending { key: limits.call, signals: Arc::clone(&limits.signals), begun: false };
    // By reference as a whole: captured by its parts, the flag would be a copy.
    let ending = &mut ending;
    poll_fn(move |cx: &mut Context<'_>| {
        let _entered = limits.span.enter();
        if let Poll::Ready(ended) = Pin::new(&mut call).poll(cx) {
            let ended = ended.unwrap_or_else(|panic| Err(panicked(&*panic)));
            note_end(&limits.span, &ended);
            return Poll::Ready(Ok(ended));
        }
        ending.begun = true;
        reached.get_or_insert_with(|| limits.reached()).as_mut().poll(cx).map(|stopped| {
            tracing::debug!(?stopped, "attempt stopped");
            if matches!(stopped, Stopped::TimedOut) {
                limits.span.record("otel.status_code", "ERROR");
            }
            Err(stopped)
        })
    })
    .await
}

/// Notes in a call's span how it ended.
pub(crate) fn note_end<V>(span: &Span, ended: &Result<V, StepError>) {
    match ended {
        Ok(_) => tracing::debug!("attempt ended"),
        Err(error) => {
            span.record("otel.status_code", "ERROR");
            tracing::debug!(error = %error.reason(), failure = ?error.failure(), "attempt failed");
        }
    }
}

/// Forgets the signal of a call, also when the call's future is dropped.
struct Ending {
    key: CallKey,
    signals: Arc<CancelSignals>,
    begun: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.signals.end(self.key, self.begun);
    }
}

/// A panic as an error of the run.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> StepError {
    retryable(panic_text(panic))
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("the function panicked: {text}")
}
