// The small shop of the documentation's examples. Each example has it as a module of its own:
//
//     #[macro_use] mod shop { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/shop.rs")); } use shop::*;

pub use std::time::Duration;

pub use workflow_core::memory::Memory;
pub use workflow_core::*;

#[derive(workflow_derive::Status, Clone, Copy, Debug, PartialEq, Eq)]
#[status(crate = workflow_core)]
pub enum OrderStatus {
    Placed = 1,
    Paid = 2,
    Shipped = 3,
    Declined = 4,
}
pub use OrderStatus::{Declined, Paid, Placed, Shipped};

#[derive(serde::Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
pub struct Order {
    pub cents: u64,
}

/// Declines what costs more than 100.00.
pub async fn pay(run: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    Ok(if run.object.cents > 10_000 { Declined } else { Paid })
}

/// The courier's scan: its payload is a tracking number, in JSON.
pub async fn scanned(_: &mut Run<Order, OrderStatus>, payload: Payload) -> Step<OrderStatus> {
    let _: String = payload.json()?;
    Ok(Shipped)
}

/// For parts that an example does not reach.
pub async fn decline(_: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    Ok(Declined)
}

/// A step of its own pays for an order, which waits then until the courier scans it.
pub fn orders() -> Workflow<Order, OrderStatus> {
    Workflow::builder("orders")
        .step(Placed, pay, [Paid, Declined])
        .callback(Paid, scanned, [Shipped])
        .build()
        .expect("the shop's workflow has no problems")
}

/// Runs an asynchronous example to its end.
pub fn block_on<T>(example: impl Future<Output = Result<T, Box<dyn std::error::Error>>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(example).expect("the example works")
}

/// `example!(running => ..)` is an example with the shop's workflow running; `example!(..)` runs what it needs.
macro_rules! example {
    ($running:ident => $($body:tt)*) => {
        shop::block_on(async {
            let $running = shop::orders().run(shop::Memory::new()).await?;
            $($body)*
            Ok(())
        })
    };
    ($($body:tt)*) => {
        shop::block_on(async {
            $($body)*
            Ok(())
        })
    };
}

/// A source that gives the same few texts to everybody who opens it.
pub struct Feed(pub &'static [&'static str]);

struct OpenFeed(Vec<adapter::ConnectorEvent>);

impl ConnectorSource for Feed {
    fn open<'a>(
        &'a self,
        _: &'a adapter::Backend,
        _: &'a GroupName,
        _: Shard,
    ) -> adapter::BoxFuture<'a, Result<Box<dyn ConnectorReceiver>, adapter::BackendError>> {
        let event = |(at, text): (usize, &&'static str)| adapter::ConnectorEvent {
            id: at.to_string(),
            key: text.to_string(),
            kind: "letter".to_owned(),
            data: text.as_bytes().into(),
            headers: Headers::new(),
        };
        let open = OpenFeed(self.0.iter().enumerate().map(event).collect());
        Box::pin(async { Ok(Box::new(open) as Box<dyn ConnectorReceiver>) })
    }
}

impl ConnectorReceiver for OpenFeed {
    fn next_batch<'a>(
        &'a mut self,
        _: usize,
    ) -> adapter::BoxFuture<'a, Result<Vec<adapter::ConnectorEvent>, adapter::BackendError>> {
        Box::pin(async {
            if self.0.is_empty() {
                std::future::pending::<()>().await;
            }
            Ok(std::mem::take(&mut self.0))
        })
    }

    fn settle<'a>(&'a mut self) -> adapter::BoxFuture<'a, Result<(), adapter::BackendError>> {
        Box::pin(async { Ok(()) })
    }
}
