//! How the engine's spans become one trace a run. Without a link all of this does nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Span;

use super::backend_metrics::BackendMetrics;
use crate::adapter::{Change, OutboxRow, Publication, TraceContext, TraceLink, publish_span};
use crate::{Event, EventId, Headers, Record};

/// The target of spans over a whole batch of changes or events, which belong to no one run's trace.
pub(crate) const BATCHES: &str = "workflow_core::batches";

/// The backend's link to a tracing system, if it has one.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Arc<dyn TraceLink>>);

/// What those who store and publish for all workflows tell the outside.
#[derive(Clone)]
pub(crate) struct Telling {
    pub(crate) trace: Trace,
    pub(crate) metrics: BackendMetrics,
}

/// The rows whose events the stream holds; noted only where spans are looked at.
#[derive(Default)]
pub(crate) struct Held(Mutex<HashSet<EventId>>);

impl Held {
    pub(crate) fn note(&self, rows: impl Iterator<Item = EventId>) {
        self.lock().extend(rows);
    }

    pub(crate) fn forget(&self, rows: &[EventId]) {
        let mut held = self.lock();
        rows.iter().for_each(|row| {
            held.remove(row);
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<EventId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trace {
    pub(crate) fn new(link: Option<Arc<dyn TraceLink>>) -> Self {
        Self(link)
    }

    /// Puts a new span into the trace that these headers of what it works on tell of.
    pub(crate) fn follow(&self, span: &Span, headers: &Headers) {
        if let Some(link) = &self.0
            && let Some(parent) = TraceContext::of(headers)
        {
            link.follow(span, &parent);
        }
    }

    /// Puts a new span into the trace that a run's record keeps: for work that no event is about.
    pub(crate) fn follow_record(&self, span: &Span, record: &Record) {
        if let Some(link) = &self.0
            && let Some(parent) = TraceContext::of_record(record)
        {
            link.follow(span, &parent);
        }
    }

    /// The context for what comes of work on an event: that of the work's span. Where nobody looks at spans, the event's
    /// own, so that the trace goes on in the process after this.
    pub(crate) fn after(&self, span: &Span, event: &Event) -> Option<TraceContext> {
        self.of(span).or_else(|| TraceContext::of(&event.headers))
    }

    /// The context of a span.
    pub(crate) fn of(&self, span: &Span) -> Option<TraceContext> {
        self.0.as_ref()?.context_of(span)
    }

    /// The context of the caller's span.
    pub(crate) fn current(&self) -> Option<TraceContext> {
        self.0.as_ref()?.context_of(&Span::current())
    }

    /// A span a change, in its run's trace, to hold while they are stored together.
    pub(crate) fn commit_spans(&self, changes: &[Change]) -> Vec<Span> {
        let Some(link) = &self.0 else { return Vec::new() };
        let rows = changes.iter().filter_map(|change| change.outbox.as_ref());
        rows.filter_map(|row| commit_span(&**link, row)).collect()
    }

    /// A span an event, in its run's trace, to hold while they are sent together. What is `held` by the stream already
    /// is only offered again, and has had its span.
    pub(crate) fn publish_spans(&self, publications: &[Publication], held: &Held) -> Vec<Span> {
        let Some(link) = &self.0 else { return Vec::new() };
        let held = held.lock();
        let new = publications.iter().filter(|each| !held.contains(&each.row));
        new.filter_map(|each| publish_span(&**link, &each.event)).collect()
    }

    /// Whether there is anybody to tell of spans.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

/// Notes on a span whether what it covers succeeded. It ends when it is dropped.
pub(crate) fn ended(span: &Span, succeeded: bool) {
    if !succeeded {
        span.record("otel.status_code", "ERROR");
    }
}

fn commit_span(link: &dyn TraceLink, row: &OutboxRow) -> Option<Span> {
    let parent = TraceContext::of(&row.event.headers).filter(TraceContext::is_sampled)?;
    let event = &row.event;
    let span = tracing::debug_span!(
        parent: None,
        "commit",
        workflow_name = %event.workflow_name,
        run_id = %event.run_id,
        status = event.status.get(),
        version = event.version.map(crate::Version::get),
        otel.status_code = tracing::field::Empty,
    );
    link.follow(&span, &parent);
    Some(span)
}
