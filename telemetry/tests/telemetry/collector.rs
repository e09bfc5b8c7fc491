//! A small collector: it takes spans and metrics over OTLP gRPC and keeps them.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, async_trait};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A span with the name of the service that made it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) service: String,
    pub(crate) span: Span,
}

impl Received {
    /// An attribute as text.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        text_of(&self.span.attributes, name)
    }

    /// Whether these attributes have these values.
    pub(crate) fn has(&self, attributes: &[(&str, &str)]) -> bool {
        attributes.iter().all(|(name, value)| self.attribute(name).as_deref() == Some(*value))
    }
}

/// The value of an attribute, as text.
pub(crate) fn text_of(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(yes) => yes.to_string(),
        other => format!("{other:?}"),
    })
}

/// A metric with the name of the service that measured it.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) service: String,
    pub(crate) metric: Metric,
}

#[derive(Clone, Default)]
struct Kept {
    spans: Vec<Received>,
    metrics: Vec<Measured>,
}

/// The collector; it serves until the test's runtime ends.
#[derive(Clone)]
pub(crate) struct Collector {
    kept: Arc<tokio::sync::watch::Sender<Kept>>,
    endpoint: String,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let endpoint = format!("http://{}", incoming.local_addr().unwrap());
        let collector = Self { kept: Arc::default(), endpoint };
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(incoming));
        collector
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits until the spans that have come are enough, and gives them.
    pub(crate) async fn spans_until(
        &self,
        what: &str,
        enough: impl Fn(&[Received]) -> bool,
    ) -> Vec<Received> {
        self.until(what, |kept| enough(&kept.spans)).await.spans
    }

    /// Waits until the metrics that have come are enough, and gives them; later ones are further back.
    pub(crate) async fn metrics_until(
        &self,
        what: &str,
        enough: impl Fn(&[Measured]) -> bool,
    ) -> Vec<Measured> {
        self.until(what, |kept| enough(&kept.metrics)).await.metrics
    }

    async fn until(&self, what: &str, enough: impl Fn(&Kept) -> bool) -> Kept {
        let mut kept = self.kept.subscribe();
        let waited =
            tokio::time::timeout(PATIENCE, kept.wait_for(&enough)).await.map(|kept| kept.unwrap().clone());
        waited.unwrap_or_else(|_| panic!("{what} did not come; spans: {:#?}", self.kept.borrow().spans))
    }
}

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut received = Vec::new();
        for of_resource in request.into_inner().resource_spans {
            let attributes = of_resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = text_of(&attributes, "service.name").unwrap_or_default();
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            received.extend(spans.map(|span| Received { service: service.clone(), span }));
        }
        self.kept.send_modify(|kept| kept.spans.extend(received));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut measured = Vec::new();
        for of_resource in request.into_inner().resource_metrics {
            let attributes = of_resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = text_of(&attributes, "service.name").unwrap_or_default();
            let metrics = of_resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
            measured.extend(metrics.map(|metric| Measured { service: service.clone(), metric }));
        }
        self.kept.send_modify(|kept| kept.metrics.extend(measured));
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
