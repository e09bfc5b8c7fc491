use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = 1,
    Paid = 2,
}

async fn pay(_: &mut Run<u64, OrderStatus>) -> u64 {
    7
}

fn main() {
    let _ = Workflow::builder("orders").step(OrderStatus::Placed, pay, [OrderStatus::Paid]).build();
}
