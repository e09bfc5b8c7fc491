//! Adapters for one process: a store in memory, and a streamer and scheduler that embedded stores share.

mod commit;
mod handle;
mod queries;
mod relay;
mod scheduler;
mod state;
mod store;
mod streamer;
mod topic_log;

pub use handle::Memory;
pub use scheduler::InProcessScheduler;
pub use store::MemoryStore;
pub use streamer::{InProcessReceiver, InProcessStreamer};
