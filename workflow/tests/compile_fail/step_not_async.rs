use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = 1,
    Paid = 2,
}

fn pay(_: &mut Run<u64, OrderStatus>) -> Step<OrderStatus> {
    Ok(OrderStatus::Paid)
}

fn main() {
    let _ = Workflow::builder("orders").step(OrderStatus::Placed, pay, [OrderStatus::Paid]).build();
}
