use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = 1,
    Paid = 3_000_000_000,
}

fn main() {}
