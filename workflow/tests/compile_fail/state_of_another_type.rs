use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = 1,
    Paid = 2,
}

struct Clients;

async fn pay(_: &mut Run<u64, OrderStatus>, _: &Clients) -> Step<OrderStatus> {
    Ok(OrderStatus::Paid)
}

fn main() {
    let orders = Workflow::builder("orders").step(OrderStatus::Placed, pay, [OrderStatus::Paid]);
    let _ = orders.state(String::new()).build();
}
