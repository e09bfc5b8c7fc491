//! The providers of one process, without anything global.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Registry, TextEncoder};
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;
use workflow_core::{Client, Object, Status};

use crate::engine::{Engines, Histograms};
use crate::exporter::{Telling, metric_exporter, span_exporter};
use crate::{Error, Health, OtelLink, TelemetryConfig, page};

/// A layer for a subscriber of `tracing` that records spans.
pub type SpanLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// Spans and metrics of one process, with nothing global: add [`layer`](Telemetry::layer) to a subscriber, give
/// [`link`](Telemetry::link) to backends, [`watch`](Telemetry::watch) workflows, mount [`router`](Telemetry::router).
///
/// ```
/// use telemetry::{Health, Telemetry, TelemetryConfig};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let telemetry = Telemetry::new(&TelemetryConfig::default())?;
/// let health = Health::starting();
/// let pages = telemetry.router(&health);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let served = async move { axum::serve(listener, pages).await };
/// # drop(served);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Telemetry {
    tracers: Option<SdkTracerProvider>,
    meters: SdkMeterProvider,
    scraped: Scraped,
    engines: Engines,
    histograms: Histograms,
    span_filter: String,
}

/// What Prometheus reads.
#[derive(Clone)]
pub(crate) struct Scraped(Registry);

impl Scraped {
    pub(crate) fn text(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.0.gather()).map_err(Error::Text)
    }
}

impl Telemetry {
    /// Sets the providers up. It connects to nothing yet: a collector that is away is told of once, in the log.
    ///
    /// # Errors
    /// [`Error::NoRuntime`] outside a tokio runtime, [`Error::Filter`] and [`Error::Exporter`] if settings cannot be used.
    pub fn new(config: &TelemetryConfig) -> Result<Self, Error> {
        tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        config.span_filter()?;
        let (resource, registry) = (resource(config), Registry::new());
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .scope_info_enabled(false)
            .build()
            .map_err(Error::Reader)?;
        let mut meters = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(reader);
        let mut tracers = None;
        if config.pushes() {
            let away = Arc::default();
            let spans = Telling::new(span_exporter(config)?, "spans", &away);
            let metrics = Telling::new(metric_exporter(config)?, "metrics", &away);
            let mut reader = PeriodicReader::builder(metrics);
            if let Some(seconds) = config.metrics_every_seconds {
                reader = reader.with_interval(Duration::from_secs(seconds));
            }
            meters = meters.with_reader(reader.build());
            tracers =
                Some(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(spans).build());
        }
        let (meters, engines) = (meters.build(), Engines::default());
        let histograms = engines.instruments(&meters.meter("workflow-core"));
        let (scraped, span_filter) = (Scraped(registry), config.span_filter.clone());
        Ok(Self { tracers, meters, scraped, engines, histograms, span_filter })
    }

    /// The layer that records spans, with its own filter; one that does nothing if nothing is pushed.
    pub fn layer<S>(&self) -> SpanLayer<S>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let Some(tracers) = &self.tracers else {
            return Box::new(tracing_subscriber::layer::Identity::new());
        };
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracers.tracer("workflow"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        // It was read when this was made.
        Box::new(layer.with_filter(tracing_subscriber::EnvFilter::new(&self.span_filter)))
    }

    /// What ties the engine's spans into traces; for `Backend::with_trace_link`, and for a relay that publishes events.
    pub fn link(&self) -> OtelLink {
        OtelLink::default()
    }

    /// Exports the metrics of a workflow and of its backend from now on. A workflow of the same name takes the place of
    /// the one before, as after a restart within the process.
    pub fn watch<T: Object, S: Status>(&self, client: &Client<T, S>) {
        self.engines.watch_workflow(client.workflow_name().as_str(), client.metrics(), &self.histograms);
        self.engines.watch_backend(client.backend_metrics(), &self.histograms);
    }

    /// A meter for instruments of a program's own: what they measure is pushed and pulled with the rest.
    ///
    /// ```
    /// use telemetry::opentelemetry::KeyValue;
    /// # use telemetry::{Telemetry, TelemetryConfig};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let telemetry = Telemetry::new(&TelemetryConfig::default())?;
    /// let meter = telemetry.meter("outbox-relay");
    /// let depth = meter.f64_gauge("outbox_relay_depth_rows").with_description("Rows that wait").build();
    /// depth.record(17.0, &[KeyValue::new("shard", "0")]);
    /// assert!(telemetry.prometheus_text()?.contains(r#"outbox_relay_depth_rows{shard="0"} 17"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn meter(&self, name: &'static str) -> Meter {
        self.meters.meter(name)
    }

    /// Serves the pages `/metrics`, `/livez` and `/readyz` until `end`, and gives the address; that is only of interest
    /// where the port was 0.
    ///
    /// # Errors
    /// If nobody can listen there.
    ///
    /// ```
    /// use telemetry::{Health, Telemetry, TelemetryConfig};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let telemetry = Telemetry::new(&TelemetryConfig::default())?;
    /// let address = "127.0.0.1:0".parse()?;
    /// let served = telemetry.serve(address, &Health::starting(), std::future::pending()).await?;
    /// assert_ne!(served.port(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn serve(
        &self,
        address: SocketAddr,
        health: &Health,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<SocketAddr> {
        page::serve(address, self.router(health), end).await
    }

    /// The pages `/metrics`, `/livez` and `/readyz`.
    pub fn router(&self, health: &Health) -> axum::Router {
        page::router(self.scraped.clone(), health.clone())
    }

    /// The metrics as Prometheus reads them.
    ///
    /// # Errors
    /// [`Error::Text`] if two instruments contradict each other.
    pub fn prometheus_text(&self) -> Result<String, Error> {
        self.scraped.text()
    }

    /// Pushes what is left and ends the exporters, on a thread of their own. Nothing is told after it.
    ///
    /// # Errors
    /// [`Error::NotFlushed`] if the collector did not take it in time; the rest is lost.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), Error> {
        let (tracers, meters) = (self.tracers.clone(), self.meters.clone());
        let (ended, end) = tokio::sync::oneshot::channel();
        // Exporters wait for the runtime, so a thread of the runtime must not wait for them.
        std::thread::spawn(move || {
            let spans = tracers.is_none_or(|tracers| tracers.shutdown_with_timeout(deadline).is_ok());
            let metrics = meters.shutdown_with_timeout(deadline).is_ok();
            // Whoever asked may have stopped waiting.
            let _ = ended.send(spans && metrics);
        });
        match tokio::time::timeout(deadline, end).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) | Err(_) => Err(Error::NotFlushed { deadline }),
        }
    }
}

/// Which service and instance speaks: by the configuration, by the variables, or by default.
fn resource(config: &TelemetryConfig) -> Resource {
    let said = Resource::builder().build();
    let mut resource = Resource::builder();
    let unnamed = |name: &str| name.is_empty() || name.starts_with("unknown_service");
    let named = said.get(&Key::new("service.name")).is_some_and(|name| !unnamed(&name.as_str()));
    match &config.service_name {
        Some(name) => resource = resource.with_service_name(name.clone()),
        None if !named => resource = resource.with_service_name("workflow"),
        None => {}
    }
    if said.get(&Key::new("service.instance.id")).is_none() {
        // Without it, two instances of a service would write the same series.
        let id = format!("{:016x}", fastrand::u64(..));
        resource = resource.with_attribute(KeyValue::new("service.instance.id", id));
    }
    resource.build()
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").field("pushes", &self.tracers.is_some()).finish_non_exhaustive()
    }
}
