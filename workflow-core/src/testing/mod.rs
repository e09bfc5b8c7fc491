//! A test kit: a clock that skips time, faults on demand, and runs taken to a status.
//!
//! A [`Kit`] is a backend whose time is told by a [`ManualClock`] and whose store and streamer obey [`Faults`]. A run
//! that waits two days for a courier is tested in milliseconds, and a test says which commit fails. Time
//! is skipped when nothing is left to run, which is known for sure on a runtime of one thread, as `#[tokio::test]` is; on
//! several, a thread that gets no processor for a while looks idle. [`run_with`] makes the argument of a single step.
//! A [`Cluster`] gives several kits on one store, whose roles are lost on demand.
//!
//! ```
//! # use std::time::Duration;
//! # use workflow_core::{Run, Status, StatusCode, Step, Workflow, after};
//! # #[derive(Clone, Copy, Debug, PartialEq)] enum Parcel { Waiting = 1, Returned = 2 }
//! # impl Status for Parcel {
//! #     const ALL: &'static [Self] = &[Parcel::Waiting, Parcel::Returned];
//! #     fn code(self) -> StatusCode { StatusCode::from_declared(self as i32) }
//! #     fn from_code(code: StatusCode) -> Option<Self> { Self::ALL.iter().copied().find(|s| s.code() == code) }
//! #     fn name(self) -> &'static str { match self { Parcel::Waiting => "Waiting", Parcel::Returned => "Returned" } }
//! # }
//! use workflow_core::testing::Kit;
//!
//! async fn give_up(_: &mut Run<(), Parcel>) -> Parcel { Parcel::Returned }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let parcels = Workflow::builder("parcels")
//!     .timeout(Parcel::Waiting, after(Duration::from_hours(48)), give_up, [Parcel::Returned])
//!     .build()?;
//! let kit = Kit::memory();
//! let running = parcels.run(&kit).await?;
//! let run = running.trigger("parcel-1", ()).await?;
//! kit.faults().fail_commits(2);
//! let done = kit.finish(&running, &run).await?;
//! assert_eq!(done.status(), Parcel::Returned);
//! assert!(done.updated_at().since(done.created_at()) >= Duration::from_hours(48));
//! # Ok(())
//! # }
//! ```

mod cluster;
mod faults;
mod faulty_store;
mod faulty_streamer;
mod kit;
mod manual_clock;
mod sample;
mod shared_roles;
mod shared_stream;

pub use cluster::Cluster;
pub use faults::Faults;
pub use faulty_store::FaultyStore;
pub use faulty_streamer::FaultyStreamer;
pub use kit::{Kit, Stuck};
pub use manual_clock::ManualClock;
pub use sample::run_with;
pub use shared_roles::{SharedRoles, SharedScheduler};
pub use shared_stream::{SharedReceiver, SharedStream};
