use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = 1,
    Paid = 2,
}

struct Order;

async fn pay(_: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    Ok(OrderStatus::Paid)
}

async fn run() {
    let orders = Workflow::builder("orders").step(OrderStatus::Placed, pay, [OrderStatus::Paid]).build();
    let _ = orders.unwrap().run(Memory::new()).await;
}

fn main() {}
