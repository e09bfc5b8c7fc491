//! The model, the adapter contracts, the definitions and the engine of a durable workflow engine.

pub mod adapter;
mod definition;
mod error;
mod model;
mod run;

pub use definition::*;
pub use error::Error;
pub use model::*;
pub use run::{Failure, Next, Run, Step, StepError, retryable, terminal};
