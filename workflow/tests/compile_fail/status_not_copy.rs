use workflow::prelude::*;

#[derive(Status)]
enum OrderStatus {
    Placed = 1,
    Paid = 2,
}

fn main() {}
