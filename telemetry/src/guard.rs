//! Telemetry for a whole process.

use std::io::IsTerminal;
use std::ops::Deref;
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::{Error, LogFormat, SpanLayer, Telemetry, TelemetryConfig};

/// The process's telemetry, until the end of `main`. What can be done with a [`Telemetry`] can be done with it.
#[derive(Debug)]
#[must_use = "what was not pushed is lost without a shutdown"]
pub struct Guard(Telemetry);

/// Installs logs to standard error and spans over OTLP for the whole process.
///
/// # Errors
/// What [`Telemetry::new`] says; [`Error::Installed`] if the process has a subscriber already.
///
/// ```
/// use telemetry::{Error, TelemetryConfig};
/// let outside = telemetry::init(&TelemetryConfig::default());
/// assert!(matches!(outside, Err(Error::NoRuntime)));
/// ```
pub fn init(config: &TelemetryConfig) -> Result<Guard, Error> {
    let telemetry = Telemetry::new(config)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of the log that has gone away must not end the work.
        .log_internal_errors(false);
    let lines: SpanLayer<Registry> = match config.log_format {
        LogFormat::Human => lines.with_filter(config.log_filter()?).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(config.log_filter()?).boxed(),
    };
    let layers = vec![lines, telemetry.layer()];
    tracing_subscriber::registry().with(layers).try_init().map_err(Error::Installed)?;
    Ok(Guard(telemetry))
}

impl Guard {
    /// Pushes what is left; see [`Telemetry::shutdown`].
    ///
    /// # Errors
    /// [`Error::NotFlushed`] if the collector did not take it in time.
    pub async fn shutdown(self, deadline: Duration) -> Result<(), Error> {
        self.0.shutdown(deadline).await
    }
}

impl Deref for Guard {
    type Target = Telemetry;

    fn deref(&self) -> &Telemetry {
        &self.0
    }
}
