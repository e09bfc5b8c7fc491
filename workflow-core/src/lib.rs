//! The model, the adapter contracts, the definitions and the engine of a durable workflow engine.

mod adapter;
mod model;

pub use model::*;
