//! What a relay counts, in the form of Prometheus.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use workflow_core::Shard;
use workflow_core::adapter::OutboxDepth;

/// The metrics of one relay. Clones share them.
///
/// ```
/// use outbox_relay::RelayMetrics;
/// use workflow_core::Shard;
/// let metrics = RelayMetrics::new();
/// metrics.shard(Shard::WHOLE).published(2);
/// assert!(metrics.text().contains("workflow_outbox_published_total{shard=\"1-of-1\"} 2"));
/// ```
#[derive(Clone)]
pub struct RelayMetrics {
    registry: Registry,
    depth: IntGaugeVec,
    oldest: IntGaugeVec,
    in_flight: IntGaugeVec,
    owned: IntGaugeVec,
    published: IntCounterVec,
    dead_letters: IntCounterVec,
    errors: IntCounterVec,
    batch: HistogramVec,
}

/// The metrics of one shard.
pub struct ShardMetrics {
    depth: IntGauge,
    oldest: IntGauge,
    in_flight: IntGauge,
    owned: IntGauge,
    published: IntCounter,
    dead_letters: IntCounter,
    read_errors: IntCounter,
    publish_errors: IntCounter,
    delete_errors: IntCounter,
    batch: Histogram,
}

impl Default for RelayMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A name and a help text that are constants make a metric; two of one name would be a mistake in this file.
fn registered<M: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<M>) -> M {
    let metric = made.expect("names and labels are constants that are well formed");
    registry.register(Box::new(metric.clone())).expect("each name is there once");
    metric
}

impl RelayMetrics {
    /// All at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            registered(&registry, IntGaugeVec::new(Opts::new(name, help), &["shard"]))
        };
        let counter = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let sizes = HistogramOpts::new("workflow_outbox_batch_size", "Events published at once")
            .buckets(vec![1.0, 10.0, 100.0, 500.0, 1000.0]);
        Self {
            depth: gauge("workflow_outbox_depth", "Rows in the outbox, counted up to 10000"),
            oldest: gauge(
                "workflow_outbox_oldest_age_milliseconds",
                "Age of the oldest row that was counted",
            ),
            in_flight: gauge("workflow_outbox_in_flight", "Events read and not yet deleted"),
            owned: gauge("workflow_outbox_role_owned", "1 while this process owns the role of the shard"),
            published: counter(
                "workflow_outbox_published_total",
                "Events acknowledged by the stream",
                &["shard"],
            ),
            dead_letters: counter(
                "workflow_outbox_dead_letters_total",
                "Rows that were set aside",
                &["shard"],
            ),
            errors: counter("workflow_outbox_errors_total", "Failed attempts", &["shard", "what"]),
            batch: registered(&registry, HistogramVec::new(sizes, &["shard"])),
            registry,
        }
    }

    /// Those of a shard.
    pub fn shard(&self, shard: Shard) -> Arc<ShardMetrics> {
        let shard = shard.to_string();
        let label = &[shard.as_str()];
        let errors = |what: &str| self.errors.with_label_values(&[shard.as_str(), what]);
        Arc::new(ShardMetrics {
            depth: self.depth.with_label_values(label),
            oldest: self.oldest.with_label_values(label),
            in_flight: self.in_flight.with_label_values(label),
            owned: self.owned.with_label_values(label),
            published: self.published.with_label_values(label),
            dead_letters: self.dead_letters.with_label_values(label),
            read_errors: errors("read"),
            publish_errors: errors("publish"),
            delete_errors: errors("delete"),
            batch: self.batch.with_label_values(label),
        })
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory does not fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

impl ShardMetrics {
    /// So many events were acknowledged.
    pub fn published(&self, events: u64) {
        self.published.inc_by(events);
    }

    pub(crate) fn set_aside(&self, rows: usize) {
        self.dead_letters.inc_by(rows as u64);
    }

    pub(crate) fn batch(&self, events: usize) {
        self.batch.observe(events as f64);
    }

    pub(crate) fn in_flight(&self, events: usize) {
        self.in_flight.set(whole(events));
    }

    pub(crate) fn owned(&self, is_owned: bool) {
        self.owned.set(is_owned.into());
    }

    pub(crate) fn depth(&self, depth: OutboxDepth) {
        self.depth.set(whole(depth.rows));
        self.oldest.set(depth.oldest.map_or(0, |oldest| whole(oldest.as_millis())));
    }

    pub(crate) fn read_failed(&self) {
        self.read_errors.inc();
    }

    pub(crate) fn publish_failed(&self) {
        self.publish_errors.inc();
    }

    pub(crate) fn delete_failed(&self) {
        self.delete_errors.inc();
    }
}
