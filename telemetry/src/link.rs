//! The engine's seam to traces, filled in with OpenTelemetry.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use workflow_core::adapter::{TraceContext, TraceLink};
use workflow_core::header;

/// Ties the engine's spans to the traces of the layer that records them. It has no state: a span knows its own layer, and
/// one that no layer of OpenTelemetry records belongs to no trace.
///
/// ```
/// use telemetry::OtelLink;
/// use workflow_core::adapter::TraceLink;
/// assert!(OtelLink::default().context_of(&tracing::Span::current()).is_none());
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OtelLink {
    propagator: TraceContextPropagator,
}

impl TraceLink for OtelLink {
    fn context_of(&self, span: &Span) -> Option<TraceContext> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context();
        if !context.span().span_context().is_valid() {
            return None;
        }
        let mut headers = HashMap::with_capacity(2);
        self.propagator.inject_context(&context, &mut headers);
        let traceparent = headers.remove(header::TRACEPARENT)?.into();
        let tracestate = headers.remove(header::TRACESTATE).filter(|state| !state.is_empty());
        Some(TraceContext { traceparent, tracestate: tracestate.map(Into::into) })
    }

    fn follow(&self, span: &Span, parent: &TraceContext) {
        if span.is_disabled() {
            return;
        }
        let headers = [
            Some((header::TRACEPARENT, &parent.traceparent)),
            parent.tracestate.as_ref().map(|state| (header::TRACESTATE, state)),
        ];
        let headers: HashMap<String, String> =
            headers.into_iter().flatten().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
        let context = self.propagator.extract_with_context(&Context::new(), &headers);
        if context.span().span_context().is_valid() {
            // It is refused where the span has begun, or where no layer records it: then there is no trace to follow.
            let _ = span.set_parent(context);
        }
    }
}
