//! The small shop that the examples of the documentation are about, so that each can be short.
//!
//! It is a crate and not a text to include: the engine is compiled for its types once, not once an example.

mod feed;

pub use std::time::Duration;

pub use workflow_core::memory::Memory;
pub use workflow_core::*;

pub use self::OrderStatus::{Declined, Paid, Placed, Shipped};
pub use self::feed::Feed;

/// Where an order is.
#[derive(workflow_derive::Status, Clone, Copy, Debug, PartialEq, Eq)]
#[status(crate = workflow_core)]
pub enum OrderStatus {
    /// It has come in.
    Placed = 1,
    /// It waits for the courier.
    Paid = 2,
    /// The courier has it.
    Shipped = 3,
    /// Nothing comes of it.
    Declined = 4,
}

/// An order.
#[derive(serde::Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
pub struct Order {
    /// What it costs.
    pub cents: u64,
}

/// Declines what costs more than 100.00.
///
/// # Errors
/// None.
pub async fn pay(run: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    Ok(if run.object.cents > 10_000 { Declined } else { Paid })
}

/// The courier's scan: its payload is a tracking number, in JSON.
///
/// # Errors
/// If the payload is anything else.
pub async fn scanned(_: &mut Run<Order, OrderStatus>, payload: Payload) -> Step<OrderStatus> {
    let _: String = payload.json()?;
    Ok(Shipped)
}

/// For parts that an example does not reach.
///
/// # Errors
/// None.
pub async fn decline(_: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    Ok(Declined)
}

/// A step pays for an order, which waits then until the courier scans it.
pub fn orders() -> Workflow<Order, OrderStatus> {
    Workflow::builder("orders")
        .step(Placed, pay, [Paid, Declined])
        .callback(Paid, scanned, [Shipped])
        .build()
        .expect("the shop's workflow has no problems")
}

/// Runs an asynchronous example to its end.
///
/// # Panics
/// If the example fails.
pub fn block_on<T>(example: impl Future<Output = Result<T, Box<dyn std::error::Error>>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(example).expect("the example works")
}

/// `example!(running => ..)` is an example with the shop's workflow running; `example!(..)` runs what it needs.
#[macro_export]
macro_rules! example {
    ($running:ident => $($body:tt)*) => {
        $crate::block_on(async {
            let $running = $crate::orders().run($crate::Memory::new()).await?;
            $($body)*
            Ok(())
        })
    };
    ($($body:tt)*) => {
        $crate::block_on(async {
            $($body)*
            Ok(())
        })
    };
}
