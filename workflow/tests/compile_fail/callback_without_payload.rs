use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = 1,
    Paid = 2,
}

async fn called(_: &mut Run<u64, OrderStatus>) -> Step<OrderStatus> {
    Ok(OrderStatus::Paid)
}

fn main() {
    let _ = Workflow::builder("orders").callback(OrderStatus::Placed, called, [OrderStatus::Paid]).build();
}
