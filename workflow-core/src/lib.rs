//! The model, the adapter contracts, the definitions and the engine of a durable workflow engine.

pub mod adapter;
mod definition;
mod engine;
mod error;
pub mod memory;
mod model;
mod run;
#[cfg(feature = "testing")]
pub mod testing;

pub use definition::*;
pub use engine::{
    Awaited, BATCH_BOUNDS, BackendMetrics, CallbackCall, Client, LATENCY_BOUNDS_SECONDS, Measurement,
    Metrics, Object, Operator, OperatorError, ProcessState, Retried, RunPage, Running, Sample, Shutdown,
    Start, StoredRun, Trigger, Triggered, UntypedStart, Wait,
};
pub use error::Error;
pub use model::*;
pub use run::{Failure, Next, Run, Step, StepError, retryable, terminal};
