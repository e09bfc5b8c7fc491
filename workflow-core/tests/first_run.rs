//! A run from its trigger to its end, on memory.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use workflow_core::memory::Memory;
use workflow_core::{Options, Run, RunState, Status, StatusCode, Step, Workflow, after};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Placed = 1,
    Paid = 2,
    Shipped = 3,
    Declined = 4,
}

impl Status for Order {
    const ALL: &'static [Self] = &[Order::Placed, Order::Paid, Order::Shipped, Order::Declined];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        match self {
            Order::Placed => "Placed",
            Order::Paid => "Paid",
            Order::Shipped => "Shipped",
            Order::Declined => "Declined",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Cart {
    cents: u64,
    steps: u32,
}

struct Clients {
    fee: u64,
}

async fn pay(run: &mut Run<Cart, Order>, clients: &Clients) -> Step<Order> {
    run.object.cents += clients.fee;
    run.object.steps += 1;
    tokio::task::yield_now().await;
    Ok(Order::Paid)
}

async fn ship(run: &mut Run<Cart, Order>) -> Step<Order> {
    run.object.steps += 1;
    let _: u32 = "1".parse()?;
    Ok(Order::Shipped)
}

async fn give_up(_: &mut Run<Cart, Order>) -> Order {
    Order::Declined
}

#[tokio::test]
async fn a_run_goes_from_its_trigger_to_its_end() {
    let orders = Workflow::builder("orders")
        .step(Order::Placed, pay, [Order::Paid])
        .step(Order::Paid, ship, [Order::Shipped])
        .with(Options::new().shards(4).pause_after(5))
        .timeout(Order::Paid, after(Duration::from_secs(3600)), give_up, [Order::Declined])
        .state(Clients { fee: 3 })
        .build()
        .unwrap();
    let running = orders.run(Memory::new()).await.unwrap();
    let run = running.trigger("order-17", Cart { cents: 10, steps: 0 }).await.unwrap();
    let done = running.wait_for(&run).finished().await.unwrap();
    assert_eq!(done.status(), Order::Shipped);
    assert_eq!(done.run_state(), RunState::Completed);
    assert_eq!(done.object().unwrap().cents, 13);
    assert_eq!(done.object().unwrap().steps, 2);
    let history = running.history(&run).await.unwrap();
    assert_eq!(history.len(), 3);
    running.shutdown(Duration::from_secs(5)).await;
}
