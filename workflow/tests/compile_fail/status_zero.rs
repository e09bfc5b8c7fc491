use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = 0,
    Paid = 1,
}

fn main() {}
