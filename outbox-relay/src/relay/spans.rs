//! The spans of events on their way to the stream, each in the trace of its run.

use tracing::Span;
use workflow_core::adapter::{BackendError, SendOutcome, TraceLink, publish_span};

use super::ledger::Row;

/// The spans of one batch, to hold while it is sent; empty where nobody looks at spans.
pub(super) struct Spans(Vec<Option<Span>>);

impl Spans {
    pub(super) fn of(link: Option<&dyn TraceLink>, rows: &[Row]) -> Self {
        Self(
            link.map_or_else(Vec::new, |link| {
                rows.iter().map(|row| publish_span(link, &row.event)).collect()
            }),
        )
    }

    /// Ends them; those of events that the stream did not take say so.
    pub(super) fn end(self, outcomes: &Result<Vec<SendOutcome>, BackendError>) {
        for (at, span) in self.0.into_iter().enumerate() {
            let outcome = outcomes.as_ref().ok().and_then(|outcomes| outcomes.get(at));
            let is_taken = matches!(outcome, Some(SendOutcome::Durable | SendOutcome::Held));
            if let Some(span) = span.filter(|_| !is_taken) {
                span.record("otel.status_code", "ERROR");
            }
        }
    }
}
