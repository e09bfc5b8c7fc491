//! How large the engine's transactions are, from the span that each of them is.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber, span};

static CHANGES: AtomicU64 = AtomicU64::new(0);
static COMMITS: AtomicU64 = AtomicU64::new(0);

/// Counts commits, and is interested in nothing else, so that all other logging costs nothing.
struct Counter;

/// Counts from now on.
pub(crate) fn count() -> anyhow::Result<()> {
    Ok(tracing::subscriber::set_global_default(Counter)?)
}

/// The mean number of changes of a commit since the last call.
pub(crate) fn take_mean() -> f64 {
    let (changes, commits) = (CHANGES.swap(0, Ordering::Relaxed), COMMITS.swap(0, Ordering::Relaxed));
    changes as f64 / commits.max(1) as f64
}

fn is_commit(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "workflow_core::engine::commit" && metadata.fields().field("acked").is_some()
}

impl Subscriber for Counter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_commit(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_commit(metadata)
    }

    fn event(&self, _: &Event<'_>) {}

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut Changes);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Changes;

impl Visit for Changes {
    fn record_u64(&mut self, field: &Field, value: u64) {
        // A commit of deletions alone is no transaction that changes runs.
        if field.name() == "changes" && value > 0 {
            CHANGES.fetch_add(value, Ordering::Relaxed);
            COMMITS.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
