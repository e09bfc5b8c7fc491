//! What a process tells of itself: spans and metrics to an OpenTelemetry collector, metrics for Prometheus, logs.
//!
//! OpenTelemetry has three parts that matter here. A *provider* makes spans or measurements and knows the *resource*, that
//! is which service and instance speaks. *Readers and exporters* carry them away: pushed over OTLP in batches by threads of
//! their own, or pulled by Prometheus as a page of text. A *context* (`traceparent`) says where in a trace something
//! happens; it rides in the headers of events, so that the processes that work on one run show one trace.
//!
//! [`init`] is for programs: it installs logs and spans for the whole process and gives a [`Guard`] that flushes at the
//! end. [`Telemetry`] is the same without anything global, for tests and for programs that have a subscriber already.
//!
//! ```
//! use std::time::Duration;
//! use telemetry::{TelemetryConfig, workflow_core::adapter::Backend};
//! # use workflow_shop::*;
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! let guard = telemetry::init(&TelemetryConfig::default())?;
//! let backend = Backend::from(Memory::new()).with_trace_link(guard.link());
//! let running = orders().run(backend).await?;
//! guard.watch(&running);
//! assert!(guard.prometheus_text()?.contains("workflow_process_states"));
//! running.shutdown(Duration::from_secs(5)).await;
//! guard.shutdown(Duration::from_secs(5)).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod config;
mod engine;
mod error;
mod exporter;
mod guard;
mod instruments;
mod link;
mod page;
mod telemetry;

pub use check::Mistake;
pub use config::{LogFormat, TelemetryConfig};
pub use error::Error;
pub use exporter::reach;
pub use guard::{Guard, init};
pub use link::OtelLink;
pub use page::Health;
pub use telemetry::{SpanLayer, Telemetry};

pub use {opentelemetry, workflow_core};
