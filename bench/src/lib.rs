//! Benchmarks of the engine, embedded and on database servers, and the hand-written loops that it is compared with.
//!
//! Each measurement runs in a process of its own, so that none finds the heap, the threads or the caches of another.

mod args;
mod commits;
mod fill;
mod limit;
mod load;
mod measure;
mod parent;
mod place;
mod process;
mod quiet;
mod report;
mod sql;
mod stack;

pub use measure::allocations_per_transition;
pub use parent::run;
