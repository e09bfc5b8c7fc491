//! What a relay measures: instruments of OpenTelemetry, which are pushed and pulled.

use std::sync::Arc;

use telemetry::opentelemetry::KeyValue;
use telemetry::opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider, NoopMeterProvider};
use workflow_core::Shard;
use workflow_core::adapter::OutboxDepth;

/// The name under which a program asks for the meter.
pub(crate) const METER: &str = "outbox-relay";

/// The bounds of the histogram of batches.
const BATCHES: [f64; 5] = [1.0, 10.0, 100.0, 500.0, 1000.0];

/// The metrics of one relay. Clones share them.
///
/// ```
/// use outbox_relay::RelayMetrics;
/// use telemetry::{Telemetry, TelemetryConfig};
/// use workflow_core::Shard;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let telemetry = Telemetry::new(&TelemetryConfig::default())?;
/// let metrics = RelayMetrics::on(&telemetry.meter("outbox-relay"));
/// metrics.shard(Shard::WHOLE).published(2);
/// let page = telemetry.prometheus_text()?;
/// assert!(page.contains("workflow_outbox_published_total{shard=\"1-of-1\"} 2"));
/// # Ok::<(), telemetry::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RelayMetrics {
    depth: Gauge<u64>,
    oldest: Gauge<u64>,
    in_flight: Gauge<u64>,
    owned: Gauge<u64>,
    takeovers: Counter<u64>,
    published: Counter<u64>,
    dead_letters: Counter<u64>,
    errors: Counter<u64>,
    batch: Histogram<u64>,
}

/// The metrics of one shard.
pub struct ShardMetrics {
    of_relay: RelayMetrics,
    shard: KeyValue,
}

impl Default for RelayMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl RelayMetrics {
    /// Metrics that nobody reads.
    pub fn new() -> Self {
        Self::on(&NoopMeterProvider::new().meter(METER))
    }

    /// Metrics that are read where those of this meter are.
    pub fn on(meter: &Meter) -> Self {
        let gauge = |name: &'static str, unit: &'static str, meaning: &'static str| {
            meter.u64_gauge(name).with_unit(unit).with_description(meaning).build()
        };
        let counter = |name: &'static str, unit: &'static str, meaning: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(meaning).build()
        };
        let batch = meter.u64_histogram("workflow_outbox_batch_size").with_unit("{event}");
        Self {
            depth: gauge("workflow_outbox_depth", "{row}", "Rows in the outbox, counted up to 10000"),
            oldest: gauge(
                "workflow_outbox_oldest_age_milliseconds",
                "ms",
                "Age of the oldest row that was counted",
            ),
            in_flight: gauge("workflow_outbox_in_flight", "{event}", "Events read and not yet deleted"),
            owned: gauge(
                "workflow_outbox_role_owned",
                "1",
                "1 while this process owns the role of the shard",
            ),
            takeovers: counter(
                "workflow_outbox_role_takeovers_total",
                "{takeover}",
                "How often this process became the owner of the role of the shard",
            ),
            published: counter(
                "workflow_outbox_published_total",
                "{event}",
                "Events acknowledged by the stream",
            ),
            dead_letters: counter("workflow_outbox_dead_letters_total", "{row}", "Rows that were set aside"),
            errors: counter("workflow_outbox_errors_total", "{attempt}", "Failed attempts"),
            batch: batch
                .with_description("Events published at once")
                .with_boundaries(BATCHES.to_vec())
                .build(),
        }
    }

    /// Those of a shard; its series are there from now on.
    pub fn shard(&self, shard: Shard) -> Arc<ShardMetrics> {
        let shard = ShardMetrics { of_relay: self.clone(), shard: KeyValue::new("shard", shard.to_string()) };
        shard.rest();
        let of = &shard.of_relay;
        for counter in [&of.takeovers, &of.published, &of.dead_letters] {
            counter.add(0, shard.labels());
        }
        ["read", "publish", "delete"].into_iter().for_each(|what| shard.failed(what, 0));
        Arc::new(shard)
    }
}

impl ShardMetrics {
    fn labels(&self) -> &[KeyValue] {
        std::slice::from_ref(&self.shard)
    }

    /// So many events were acknowledged.
    pub fn published(&self, events: u64) {
        self.of_relay.published.add(events, self.labels());
    }

    pub(crate) fn set_aside(&self, rows: usize) {
        self.of_relay.dead_letters.add(rows as u64, self.labels());
    }

    pub(crate) fn batch(&self, events: usize) {
        self.of_relay.batch.record(events as u64, self.labels());
    }

    pub(crate) fn in_flight(&self, events: usize) {
        self.of_relay.in_flight.record(events as u64, self.labels());
    }

    pub(crate) fn taken_over(&self) {
        self.of_relay.owned.record(1, self.labels());
        self.of_relay.takeovers.add(1, self.labels());
    }

    /// The role is another's: what was measured last would count twice with what that one measures.
    pub(crate) fn given_up(&self) {
        self.rest();
    }

    fn rest(&self) {
        let of = &self.of_relay;
        for gauge in [&of.owned, &of.depth, &of.oldest, &of.in_flight] {
            gauge.record(0, self.labels());
        }
    }

    pub(crate) fn depth(&self, depth: OutboxDepth) {
        let oldest = depth.oldest.map_or(0, |oldest| u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX));
        self.of_relay.depth.record(depth.rows, self.labels());
        self.of_relay.oldest.record(oldest, self.labels());
    }

    pub(crate) fn read_failed(&self) {
        self.failed("read", 1);
    }

    pub(crate) fn publish_failed(&self) {
        self.failed("publish", 1);
    }

    pub(crate) fn delete_failed(&self) {
        self.failed("delete", 1);
    }

    fn failed(&self, what: &'static str, attempts: u64) {
        self.of_relay.errors.add(attempts, &[self.shard.clone(), KeyValue::new("what", what)]);
    }
}
