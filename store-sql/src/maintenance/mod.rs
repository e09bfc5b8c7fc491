//! What operators do with a database: look at the outbox, deal with dead letters, expire old runs, look at sizes.
//!
//! Everything here can run beside working engines and be interrupted at any moment. Whatever is long is made of slices:
//! each is one short transaction over a bounded piece of an index, so that no lock is held for long and no statement
//! reads a table from end to end. What was done stays done, and what was not is found again.

mod archive_table;
mod dead_letters;
mod expire;
mod handle;
mod outbox;
mod sizes;
mod steps;

pub use archive_table::{ArchiveTable, InvalidArchiveTable};
pub use dead_letters::{Discarded, LetterCursor, LetterPage, LetterQuery, Requeued};
pub use expire::{Batch, Expiring, Expiry, FinalState, What};
pub use handle::Maintenance;
pub use outbox::{OutboxStatus, WorkflowOutbox};
pub use sizes::TableSize;

pub(crate) use expire::{Mark, Old, SCAN_ROWS, Slice, Sliced};
pub(crate) use outbox::{Forwarded, OutboxSlice, Unrouted};
pub(crate) use steps::{Steps, discard, expire, requeue};
