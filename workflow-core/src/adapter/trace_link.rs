//! The contract by which one trace shows a run, over all the processes that work on it.

use std::sync::Arc;

use tracing::Span;

use crate::{Event, Headers, Record, header};

/// How long a `traceparent` of version 00 is.
const TRACEPARENT_BYTES: usize = 55;

/// Where in a trace something happened, in the form of the W3C: it rides in the headers of events.
///
/// ```
/// use workflow_core::adapter::TraceContext;
/// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context = TraceContext { traceparent: traceparent.into(), tracestate: None };
/// assert!(context.is_sampled());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The header `traceparent`: the trace, the span, and whether it is recorded.
    pub traceparent: Arc<str>,
    /// The header `tracestate`: what the vendors of tracing systems add.
    pub tracestate: Option<Arc<str>>,
}

impl TraceContext {
    /// The context in which what has these headers was made; `None` if nobody noted it.
    pub fn of(headers: &Headers) -> Option<Self> {
        let value = |name| headers.iter().find(|(key, _)| &**key == name).map(|(_, value)| value);
        let traceparent = Arc::clone(value(header::TRACEPARENT)?);
        Some(Self { traceparent, tracestate: value(header::TRACESTATE).cloned() })
    }

    /// The context that was kept with a run's record; `None` if nobody looked at spans.
    pub fn of_record(record: &Record) -> Option<Self> {
        record.traceparent.clone().map(|traceparent| Self { traceparent, tracestate: None })
    }

    /// What is kept of it with the run's record: a `traceparent` of the present form. Others write events, too, and what
    /// they put into a header may be of any length.
    pub(crate) fn to_keep(&self) -> Option<Arc<str>> {
        (self.traceparent.len() == TRACEPARENT_BYTES).then(|| Arc::clone(&self.traceparent))
    }

    /// Notes the context in an event's headers, in place of one that is there.
    pub fn put(&self, event: &mut Event) {
        event.set_header(header::TRACEPARENT, Arc::clone(&self.traceparent));
        match &self.tracestate {
            Some(state) => event.set_header(header::TRACESTATE, Arc::clone(state)),
            None => event.headers.retain(|(name, _)| &**name != header::TRACESTATE),
        }
    }

    /// Whether whoever began the trace wants it recorded: the last bit of `traceparent`'s flags.
    pub fn is_sampled(&self) -> bool {
        let flags = self.traceparent.rsplit('-').next().and_then(|flags| u8::from_str_radix(flags, 16).ok());
        flags.is_some_and(|flags| flags & 1 == 1)
    }
}

/// Ties the engine's spans to the traces of a tracing system. The engine makes spans of `tracing` and knows no such
/// system; given to a backend by [`Backend::with_trace_link`](super::Backend::with_trace_link), a link lets a span that
/// works on an event follow the one that the event was made in, perhaps in another process.
///
/// # Contract
/// 1. *Never in the way.* Neither method blocks, waits or panics: both are called on the engine's path.
/// 2. *Foreign text.* A context comes from whoever wrote the event: what cannot be read is ignored.
/// 3. *Round trip.* What `context_of` answers for a span, `follow` takes in any process.
///
/// ```
/// use workflow_core::adapter::{Backend, TraceContext, TraceLink};
/// use workflow_core::memory::Memory;
///
/// /// Begins no trace, and goes on with none.
/// struct Nothing;
///
/// impl TraceLink for Nothing {
///     fn context_of(&self, _: &tracing::Span) -> Option<TraceContext> {
///         None
///     }
///     fn follow(&self, _: &tracing::Span, _: &TraceContext) {}
/// }
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # let _entered = runtime.enter();
/// let backend = Backend::from(Memory::new()).with_trace_link(Nothing);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait TraceLink: Send + Sync + 'static {
    /// Where a span is; `None` if it belongs to no trace. The span is not given a parent after this.
    fn context_of(&self, span: &Span) -> Option<TraceContext>;

    /// Makes a new span, which was not entered yet, the child of a context.
    fn follow(&self, span: &Span, parent: &TraceContext);
}

/// The span of an event's way to the stream, as part of its run's trace; `None` if that is not recorded. Whoever
/// publishes rows of the outbox holds it from before the sending until the broker has answered.
///
/// ```
/// use workflow_core::adapter::{TraceLink, publish_span};
/// use workflow_core::Event;
/// fn about_to_send(link: &dyn TraceLink, events: &[Event]) -> Vec<tracing::Span> {
///     events.iter().filter_map(|event| publish_span(link, event)).collect()
/// }
/// ```
pub fn publish_span(link: &dyn TraceLink, event: &Event) -> Option<Span> {
    let parent = TraceContext::of(&event.headers).filter(TraceContext::is_sampled)?;
    let span = tracing::debug_span!(
        parent: None,
        "publish",
        otel.kind = "producer",
        workflow_name = %event.workflow_name,
        run_id = %event.run_id,
        status = event.status.get(),
        version = event.version.map(crate::Version::get),
        topic = %event.topic,
        otel.status_code = tracing::field::Empty,
    );
    link.follow(&span, &parent);
    Some(span)
}
