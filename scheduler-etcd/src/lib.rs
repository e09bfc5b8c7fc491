//! Who owns which role, decided by etcd.
//!
//! Each process opens one *session*: a lease that etcd takes back if it is not renewed. Everything that the process says in
//! etcd is under it: that it lives, which roles it wants, and which it owns. So when it dies, all of it is gone within the
//! lease time, and other processes take its roles over.
//!
//! * A role is *claimed* by a transaction that puts its key if there is none. The revision of the key is the owner's epoch,
//!   by which the store refuses those that owned the role before.
//! * A role is *placed*: of the processes that want it, rendezvous hashing names one. When a process comes, the others give
//!   its share up to it: `lost` of the lease is cancelled, and the role moves when the lease is dropped.
//! * A process that cannot renew its lease, or whose runtime is stuck, gives its roles up before the lease can have expired.
//! * `i-of-n`: while a role of a group is owned, none of it can be claimed under another number of shards. The newest
//!   process's number counts.
//!
//! ```no_run
//! use std::sync::Arc;
//! use scheduler_etcd::{EtcdConfig, EtcdScheduler};
//! use workflow_core::adapter::{Backend, SystemClock};
//! use workflow_core::memory::{InProcessStreamer, MemoryStore};
//! # async fn example() -> Result<(), scheduler_etcd::EtcdError> {
//! let config = EtcdConfig::new(["http://127.0.0.1:2379"]);
//! let scheduler = EtcdScheduler::connect(config).await?;
//! let store = MemoryStore::new(Arc::new(SystemClock::new()));
//! let backend = Backend::new(store, InProcessStreamer::new(), scheduler);
//! # let _ = backend;
//! # Ok(())
//! # }
//! ```

mod binding;
mod clock;
mod config;
mod driver;
mod epochs;
mod error;
mod keys;
mod link;
mod observer;
mod placement;
mod scheduler;
mod session;
mod view;

pub use config::{EtcdConfig, TlsConfig};
pub use error::{ConfigError, EtcdError};
pub use observer::{EtcdObserver, LiveInstance, OwnedRole};
pub use scheduler::EtcdScheduler;
