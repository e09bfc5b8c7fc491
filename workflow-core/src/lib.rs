//! The model, the adapter contracts, the definitions and the engine of a durable workflow engine.

pub mod adapter;
mod model;

pub use model::*;
