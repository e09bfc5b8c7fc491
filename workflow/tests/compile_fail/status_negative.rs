use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = -1,
    Paid = 1,
}

fn main() {}
