use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed,
    Paid = 0,
    Shipped = 2,
    Declined = 2,
}

fn main() {}
