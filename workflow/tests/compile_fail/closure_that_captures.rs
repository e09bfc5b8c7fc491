use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = 1,
    Paid = 2,
}

fn main() {
    let fee = String::from("3");
    let _ = Workflow::builder("orders")
        .step(
            OrderStatus::Placed,
            async move |run: &mut Run<u64, OrderStatus>| {
                run.object += fee.len() as u64;
                Ok(OrderStatus::Paid) as Step<OrderStatus>
            },
            [OrderStatus::Paid],
        )
        .build();
}
