//! A durable workflow engine: typed state machines in the database that you have.
//!
//! A workflow is an object, an enum of statuses, and async functions that move a run from one status to the next. Each
//! move is stored in one transaction with the event that starts the next one, so that the end of the process at any
//! moment loses nothing.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use workflow::prelude::*;
//!
//! #[derive(Status, Clone, Copy, Debug, PartialEq)]
//! enum OrderStatus {
//!     Placed = 1,
//!     Paid = 2,
//!     Declined = 3,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Order {
//!     cents: u64,
//! }
//!
//! async fn pay(run: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
//!     Ok(if run.object.cents > 10_000 { OrderStatus::Declined } else { OrderStatus::Paid })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("orders.db");
//! let orders = Workflow::builder("orders")
//!     .step(OrderStatus::Placed, pay, [OrderStatus::Paid, OrderStatus::Declined])
//!     .build()?;
//! let running = orders.run(Sqlite::open(file).await?).await?;
//! let run = running.trigger("order-17", Order { cents: 4_200 }).await?;
//! let done = running.wait_for(&run).finished().await?;
//! assert_eq!(done.status(), OrderStatus::Paid);
//! # Ok(())
//! # }
//! ```

pub use workflow_core::*;
pub use workflow_derive::Status;

#[cfg(feature = "mysql")]
pub use store_sql::mysql;
#[cfg(feature = "postgres")]
pub use store_sql::postgres;
#[cfg(feature = "sqlite")]
pub use store_sql::sqlite;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use store_sql::{Database, DatabaseOptions, any, config};

/// What most programs need, by one `use` line.
pub mod prelude {
    #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
    pub use store_sql::Database;
    #[cfg(feature = "mysql")]
    pub use store_sql::MySql;
    #[cfg(feature = "postgres")]
    pub use store_sql::Postgres;
    #[cfg(feature = "sqlite")]
    pub use store_sql::Sqlite;
    pub use workflow_core::adapter::{ConnectorEvent, ListQuery, Page};
    pub use workflow_core::memory::Memory;
    pub use workflow_core::{
        Api, Awaited, CallbackOutcome, Client, Due, Next, Options, Payload, RetryPolicy, Run, RunId,
        RunState, Running, Schedule, Start, Status, Step, StepError, StoredRun, Workflow, after, at,
        retryable, terminal,
    };
    pub use workflow_derive::Status;
}

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
